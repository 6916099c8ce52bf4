// Package app is a handler as net/http has it: `weft componentize go` serves Handler.
package app

import (
	"fmt"
	"io"
	"net/http"
)

var Handler = routes()

func routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "Hello from {{language}}!")
	})
	mux.HandleFunc("POST /{$}", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, r.Body)
	})
	return mux
}
