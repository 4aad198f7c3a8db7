// Package web is how the shop speaks HTTP: chi routes, huma decodes, validates and describes, and everything that holds
// for every operation is done here once. Modules declare an Operation and a function; they see no request and no writer.
//
// What a module may rely on when its handler runs:
//   - the caller has at least the operation's role, which was checked before the body was read (auth.Must);
//   - the input satisfies its schema tags, and no string in it holds a NUL character or is not UTF-8;
//   - the context ends at the operation's deadline;
//   - an error with a *fault.Error in its chain becomes that problem, and any other is logged once and becomes a 500
//     that says nothing.
//
// A uuid.UUID works as the type of a path, query or header parameter and of a body's field (huma reads it through
// encoding.TextUnmarshaler, and the schema says format uuid); one that is malformed is answered with 422. Pointers work
// in bodies, but not as parameters.
//
// A list must not be null: huma documents slices as not nullable here, and a nil slice that stands directly in the output
// or in its Body is sent as []. Deeper ones are the handler's to fill.
package web
