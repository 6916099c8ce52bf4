/* A handler in C. Define `handle`; `weft componentize c` supplies the rest, over `wasi:http` 0.2. */
#ifndef WEFT_H
#define WEFT_H

#include <stddef.h>

/* Bytes with a length. Not terminated by a zero. Owned by the request, which outlives `handle`. */
typedef struct {
    const char *data;
    size_t size;
} weft_text;

typedef struct {
    weft_text method; /* "GET" */
    weft_text target; /* path with query: "/orders/7?full=1" */
    weft_text path;   /* path alone: "/orders/7" */
    weft_text body;   /* whole; empty where there is none */
    const void *headers;
} weft_request;

typedef struct weft_response weft_response;

/* Yours. A response starts as 200 without headers or body. */
void handle(const weft_request *request, weft_response *response);

/* Whether the two are the same bytes. */
int weft_is(weft_text text, const char *other);

/* The first header of this name in lower case; `data` is NULL where there is none. */
weft_text weft_header(const weft_request *request, const char *name);

/* 200 to 599. */
void weft_status(weft_response *response, int status);

/* Adds a header. A name or value that HTTP does not allow makes the response a 500. */
void weft_add_header(weft_response *response, const char *name, const char *value);

/* Appends to the body. */
void weft_write(weft_response *response, const void *data, size_t size);

/* Appends text that ends in a zero. */
void weft_print(weft_response *response, const char *text);

#endif
