package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http/httputil"
	"strconv"
	"time"
)

// wire is one connection that speaks just enough HTTP/1.1 for a measurement: the client shares the machine with the server, and every
// microsecond that it takes is one that the server lacks.
type wire struct {
	conn   net.Conn
	reader *bufio.Reader
	body   []byte
}

func dial(address string) (*wire, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return &wire{conn: conn, reader: bufio.NewReaderSize(conn, 16<<10)}, nil
}

func (w *wire) close() { _ = w.conn.Close() }

var (
	errNoLength   = errors.New("an answer without a length")
	contentLength = []byte("Content-Length: ")
	inChunks      = []byte("Transfer-Encoding: chunked")
)

// do sends a request and reads its answer. The body is only good until the next request; header, if there is one, hears every line.
func (w *wire) do(request []byte, header func(line []byte)) (status int, body []byte, err error) {
	if err := w.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, nil, err
	}
	if _, err := w.conn.Write(request); err != nil {
		return 0, nil, err
	}
	line, err := w.reader.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(line) < 12 {
		return 0, nil, fmt.Errorf("no status: %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, fmt.Errorf("no status: %q", line)
	}
	length, chunked := -1, false
	for {
		line, err := w.reader.ReadSlice('\n')
		if err != nil {
			return 0, nil, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if n := len(contentLength); len(line) > n && bytes.EqualFold(line[:n], contentLength) {
			if length, err = strconv.Atoi(string(line[n:])); err != nil {
				return 0, nil, errNoLength
			}
		}
		chunked = chunked || bytes.EqualFold(line, inChunks)
		if header != nil {
			header(line)
		}
	}
	if chunked {
		err := w.readChunks()
		return status, w.body, err
	}
	if length < 0 {
		return 0, nil, errNoLength
	}
	if cap(w.body) < length {
		w.body = make([]byte, length)
	}
	w.body = w.body[:length]
	for read := 0; read < length; {
		n, err := w.reader.Read(w.body[read:])
		if err != nil {
			return 0, nil, err
		}
		read += n
	}
	return status, w.body, nil
}

// readChunks reads a body that comes in pieces, and what follows the last of them.
func (w *wire) readChunks() error {
	body := bytes.NewBuffer(w.body[:0])
	if _, err := body.ReadFrom(httputil.NewChunkedReader(w.reader)); err != nil {
		return err
	}
	w.body = body.Bytes()
	_, err := w.reader.ReadSlice('\n') // no trailers
	return err
}

// expect is do for an answer that must have the status.
func (w *wire) expect(want int, request []byte) error {
	status, body, err := w.do(request, nil)
	if err == nil && status != want {
		err = fmt.Errorf("answered %d: %.300s", status, body)
	}
	return err
}
