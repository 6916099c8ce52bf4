/* From `wasi:http/incoming-handler` to `handle`. See weft.h. */
#include "weft.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"

typedef exports_wasi_http_incoming_handler_own_incoming_request_t own_request;
typedef exports_wasi_http_incoming_handler_own_response_outparam_t own_outparam;

/* What one call of `blocking-read` asks for, and the most that one of `blocking-write-and-flush` takes. */
enum { READ_BYTES = 64 * 1024, WRITE_BYTES = 4096 };

struct weft_response {
    int status;
    int bad; /* a header was refused */
    wasi_http_types_own_fields_t headers;
    char *body;
    size_t size;
    size_t room;
};

static void *take(void *old, size_t size) {
    void *memory = realloc(old, size);
    if (memory == NULL) {
        fputs("weft: out of memory\n", stderr);
        abort();
    }
    return memory;
}

static app_string_t string_of(const char *text) {
    app_string_t string = {(uint8_t *)text, strlen(text)};
    return string;
}

int weft_is(weft_text text, const char *other) {
    return text.size == strlen(other) && memcmp(text.data, other, text.size) == 0;
}

weft_text weft_header(const weft_request *request, const char *name) {
    const wasi_http_types_list_tuple2_field_name_field_value_t *all = request->headers;
    size_t size = strlen(name);
    for (size_t i = 0; i < all->len; i++) {
        if (all->ptr[i].f0.len == size && memcmp(all->ptr[i].f0.ptr, name, size) == 0) {
            return (weft_text){(const char *)all->ptr[i].f1.ptr, all->ptr[i].f1.len};
        }
    }
    return (weft_text){NULL, 0};
}

void weft_status(weft_response *response, int status) { response->status = status; }

void weft_add_header(weft_response *response, const char *name, const char *value) {
    wasi_http_types_field_name_t field = string_of(name);
    wasi_http_types_field_value_t text = {(uint8_t *)value, strlen(value)};
    wasi_http_types_header_error_t error;
    wasi_http_types_borrow_fields_t headers = wasi_http_types_borrow_fields(response->headers);
    if (!wasi_http_types_method_fields_append(headers, &field, &text, &error)) {
        fprintf(stderr, "weft: the header `%s` is not valid\n", name);
        response->bad = 1;
    }
}

void weft_write(weft_response *response, const void *data, size_t size) {
    if (size > response->room - response->size) {
        size_t room = response->room * 2;
        if (room < response->size + size) room = response->size + size;
        response->body = take(response->body, room);
        response->room = room;
    }
    if (size > 0) memcpy(response->body + response->size, data, size);
    response->size += size;
}

void weft_print(weft_response *response, const char *text) { weft_write(response, text, strlen(text)); }

static weft_text method_of(const wasi_http_types_method_t *method) {
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};
    if (method->tag < sizeof names / sizeof names[0]) {
        return (weft_text){names[method->tag], strlen(names[method->tag])};
    }
    return (weft_text){(const char *)method->val.other.ptr, method->val.other.len};
}

/* The whole body, in memory of its own; the component's memory limit and the route's body limit bound it. */
static weft_text body_of(wasi_http_types_borrow_incoming_request_t request) {
    wasi_http_types_own_incoming_body_t body;
    wasi_http_types_own_input_stream_t stream;
    char *all = NULL;
    size_t size = 0;
    if (!wasi_http_types_method_incoming_request_consume(request, &body)) return (weft_text){NULL, 0};
    if (wasi_http_types_method_incoming_body_stream(wasi_http_types_borrow_incoming_body(body), &stream)) {
        for (;;) {
            app_list_u8_t chunk;
            wasi_io_streams_stream_error_t error;
            wasi_io_streams_borrow_input_stream_t from = wasi_io_streams_borrow_input_stream(stream);
            if (!wasi_io_streams_method_input_stream_blocking_read(from, READ_BYTES, &chunk, &error)) {
                wasi_io_streams_stream_error_free(&error);
                break;
            }
            if (chunk.len > 0) {
                all = take(all, size + chunk.len);
                memcpy(all + size, chunk.ptr, chunk.len);
                size += chunk.len;
            }
            app_list_u8_free(&chunk);
        }
        wasi_io_streams_input_stream_drop_own(stream);
    }
    wasi_http_types_incoming_body_drop_own(body);
    return (weft_text){all, size};
}

static void send_body(wasi_http_types_own_outgoing_body_t body, const weft_response *response) {
    wasi_http_types_own_output_stream_t stream;
    wasi_http_types_error_code_t failure;
    int sent = 1;
    if (wasi_http_types_method_outgoing_body_write(wasi_http_types_borrow_outgoing_body(body), &stream)) {
        for (size_t at = 0; sent && at < response->size; at += WRITE_BYTES) {
            size_t left = response->size - at;
            app_list_u8_t chunk = {(uint8_t *)response->body + at, left < WRITE_BYTES ? left : WRITE_BYTES};
            wasi_io_streams_stream_error_t error;
            wasi_io_streams_borrow_output_stream_t to = wasi_io_streams_borrow_output_stream(stream);
            /* A client that left is no fault of ours. */
            sent = wasi_io_streams_method_output_stream_blocking_write_and_flush(to, &chunk, &error);
            if (!sent) wasi_io_streams_stream_error_free(&error);
        }
        wasi_io_streams_output_stream_drop_own(stream);
    }
    if (!wasi_http_types_static_outgoing_body_finish(body, NULL, &failure)) wasi_http_types_error_code_free(&failure);
}

static void answer(own_outparam out, weft_response *response) {
    if (response->bad || response->status < 200 || response->status > 599) {
        wasi_http_types_fields_drop_own(response->headers);
        response->headers = wasi_http_types_constructor_fields();
        response->status = 500;
        response->size = 0;
    }
    wasi_http_types_own_outgoing_response_t made = wasi_http_types_constructor_outgoing_response(response->headers);
    wasi_http_types_borrow_outgoing_response_t borrowed = wasi_http_types_borrow_outgoing_response(made);
    wasi_http_types_own_outgoing_body_t body;
    wasi_http_types_method_outgoing_response_set_status_code(borrowed, (uint16_t)response->status);
    bool has_body = wasi_http_types_method_outgoing_response_body(borrowed, &body);
    wasi_http_types_result_own_outgoing_response_error_code_t result = {.is_err = false, .val.ok = made};
    wasi_http_types_static_response_outparam_set(out, &result);
    if (has_body) send_body(body, response);
}

void exports_wasi_http_incoming_handler_handle(own_request incoming, own_outparam out) {
    wasi_http_types_borrow_incoming_request_t from = wasi_http_types_borrow_incoming_request(incoming);
    wasi_http_types_method_t method;
    wasi_http_types_list_tuple2_field_name_field_value_t headers;
    app_string_t target = {NULL, 0};
    weft_request request = {0};
    weft_response response = {.status = 200};

    wasi_http_types_method_incoming_request_method(from, &method);
    request.method = method_of(&method);
    if (wasi_http_types_method_incoming_request_path_with_query(from, &target)) {
        const char *query = target.len > 0 ? memchr(target.ptr, '?', target.len) : NULL;
        request.target = (weft_text){(const char *)target.ptr, target.len};
        request.path = request.target;
        if (query != NULL) request.path.size = (size_t)(query - request.target.data);
    }
    wasi_http_types_own_headers_t fields = wasi_http_types_method_incoming_request_headers(from);
    wasi_http_types_method_fields_entries(wasi_http_types_borrow_fields(fields), &headers);
    wasi_http_types_fields_drop_own(fields);
    request.headers = &headers;
    request.body = body_of(from);
    response.headers = wasi_http_types_constructor_fields();

    handle(&request, &response);
    answer(out, &response);

    free((void *)request.body.data);
    free(response.body);
    app_string_free(&target);
    wasi_http_types_list_tuple2_field_name_field_value_free(&headers);
    wasi_http_types_method_free(&method);
    wasi_http_types_incoming_request_drop_own(incoming);
}
