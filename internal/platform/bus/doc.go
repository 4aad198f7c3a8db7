// Package bus carries each module's events to the modules that subscribe to them, so that every event takes effect
// exactly once in the tables of each of them, in the order of its aggregate.
//
// # The way of an event
//
// A module adds it to its outbox (package outbox) in the transaction that makes it true. The [Relay], on the one instance
// that holds the lease outbox.<module>, reads what is unpublished in the order of id, gives it to the [Transport], waits
// for the acknowledgements and then marks it with the lease's epoch. [Consumers] has one group shop.<module> for each
// module that hears; a batch of events, the inbox rows that say they were taken and all that the handlers write are one
// transaction in the module's own database. The relay may send an event twice (it died before the mark, or slept through
// the end of its lease) and the transport may deliver it twice; the inbox absorbs both.
//
// # What is parked
//
// An event that cannot succeed goes to <module>.parked, and later ones of its key behind it, while other keys go on:
//   - its envelope or payload can't be read;
//   - a handler refused it with a fault, or PostgreSQL with SQLSTATE class 22 or 23;
//   - its type is unknown;
//   - it failed for no known reason (a panic, any other error), seven times within some three seconds, while other events
//     of the module were handled beside it.
//
// What says itself that it passes is an outage (no connection, a lock, a deadline, a fault of the kinds unavailable, timeout
// and throttled): the batch is rolled back and tried again, for ever, and nothing is parked. So is a failure of no known
// reason that hits everything there is: it is compared with its neighbours just to tell one event's fault from
// everybody's trouble. A batch that fails is logged and counted (shop_bus_retries_total), and its age shows at /admin/bus.
// [Parking] shows, replays and drops what is parked.
//
// # Unknown types
//
// A group reads whole topics, so it meets types that its module doesn't subscribe to. Each contract root lists the types
// of its module in a variable Events, and the binary gives all of them, together with all subscriptions, to
// [NewConsumers] as the types that exist. A type that exists is passed over by the modules that don't subscribe to it. One
// that doesn't comes from a newer release, whose subscriptions this binary can't know: it is parked, never skipped, and
// replayed when the new release is here. So a subscription ships one release before its event.
//
// # Transports
//
// Package pglog keeps the topics in platform.log, for a shop with one database; package kafka in Kafka. A topic is named
// shop.<module>, its partitions are fixed, and an event's key is its aggregate's id. Events are kept for three days; pglog
// keeps one that a group has not taken for longer, but for no more than thirty, as the group may be that of a module which
// is no more ([Consumers.Abandoned]).
package bus
