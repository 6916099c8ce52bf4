// Package export_wasi_http_incoming_handler serves an http.Handler over `wasi:http` 0.2.
//
// Its name is the one that the generated bindings call; `weft componentize go` puts it beside them.
package export_wasi_http_incoming_handler

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/url"
	"strconv"

	app "app"

	. "go.bytecodealliance.org/pkg/wit/types"
	types "wit_component/wasi_http_types"
	streams "wit_component/wasi_io_streams"
)

const (
	// What one call of `blocking-read` asks for.
	readBytes = 64 * 1024
	// The most that one call of `blocking-write-and-flush` takes.
	writeBytes = 4096
)

var methods = [...]string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}

// Handle is what the host calls, once for a request.
func Handle(incoming *types.IncomingRequest, out *types.ResponseOutparam) {
	w := &writer{out: out, header: http.Header{}}
	request, err := requestOf(incoming)
	if err != nil {
		log.Printf("weft: the request cannot be read: %v", err)
		http.Error(w, "bad request", http.StatusBadRequest)
	} else {
		app.Handler.ServeHTTP(w, request)
		request.Body.Close()
	}
	w.finish()
	incoming.Drop()
}

func requestOf(incoming *types.IncomingRequest) (*http.Request, error) {
	method := incoming.Method()
	name := ""
	if tag := int(method.Tag()); tag < len(methods) {
		name = methods[tag]
	} else {
		name = method.Other()
	}
	target, err := url.ParseRequestURI(incoming.PathWithQuery().SomeOr("/"))
	if err != nil {
		return nil, err
	}
	header := http.Header{}
	fields := incoming.Headers()
	for _, entry := range fields.Entries() {
		header.Add(entry.F0, string(entry.F1))
	}
	fields.Drop()
	length := int64(-1)
	if text := header.Get("Content-Length"); text != "" {
		if length, err = strconv.ParseInt(text, 10, 64); err != nil {
			return nil, err
		}
	}
	body := &reader{body: incoming.Consume().Ok()}
	body.stream = body.body.Stream().Ok()
	return &http.Request{
		Method:        name,
		URL:           target,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        header,
		Host:          incoming.Authority().SomeOr(""),
		RequestURI:    target.RequestURI(),
		Body:          body,
		ContentLength: length,
	}, nil
}

// reader streams the request's body.
type reader struct {
	body   *types.IncomingBody
	stream *streams.InputStream
	rest   []byte
	closed bool
}

func (r *reader) Read(into []byte) (int, error) {
	if r.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	for len(r.rest) == 0 {
		result := r.stream.BlockingRead(readBytes)
		if result.IsErr() {
			failure := result.Err()
			if failure.Tag() == streams.StreamErrorClosed {
				return 0, io.EOF
			}
			return 0, io.ErrUnexpectedEOF
		}
		r.rest = result.Ok()
	}
	n := copy(into, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *reader) Close() error {
	if !r.closed {
		r.closed = true
		// The stream belongs to the body: it goes first.
		r.stream.Drop()
		r.body.Drop()
	}
	return nil
}

// writer sends the head with the first byte of the body, or at the end. Bytes are gathered until there are enough for a
// call of the host or until Flush.
type writer struct {
	out    *types.ResponseOutparam
	header http.Header
	body   *types.OutgoingBody
	stream *streams.OutputStream
	buffer bytes.Buffer
	gone   bool
}

func (w *writer) Header() http.Header { return w.header }

func (w *writer) WriteHeader(status int) {
	// 1xx is the host's business.
	if w.body != nil || status < 200 {
		return
	}
	fields := types.MakeFields()
	for name, values := range w.header {
		for _, value := range values {
			if result := fields.Append(name, []byte(value)); result.IsErr() {
				log.Printf("weft: the header %q is not valid and is left out", name)
			}
		}
	}
	response := types.MakeOutgoingResponse(fields)
	response.SetStatusCode(uint16(status))
	w.body = response.Body().Ok()
	types.ResponseOutparamSet(w.out, Ok[*types.OutgoingResponse, types.ErrorCode](response))
	w.stream = w.body.Write().Ok()
}

func (w *writer) Write(data []byte) (int, error) {
	if w.body == nil {
		if w.header.Get("Content-Type") == "" {
			w.header.Set("Content-Type", http.DetectContentType(data))
		}
		w.WriteHeader(http.StatusOK)
	}
	if w.gone {
		return 0, io.ErrClosedPipe
	}
	w.buffer.Write(data)
	for w.buffer.Len() >= writeBytes && !w.gone {
		w.send()
	}
	return len(data), nil
}

// Flush sends what was gathered. It makes the writer an http.Flusher.
func (w *writer) Flush() {
	w.WriteHeader(http.StatusOK)
	for w.buffer.Len() > 0 && !w.gone {
		w.send()
	}
}

func (w *writer) send() {
	// A client that left is no fault of ours.
	w.gone = w.stream.BlockingWriteAndFlush(w.buffer.Next(writeBytes)).IsErr()
}

func (w *writer) finish() {
	w.Flush()
	w.stream.Drop()
	types.OutgoingBodyFinish(w.body, None[*types.Fields]())
}
