// A provider to measure gateways against: speaks Chat Completions over HTTP/1.1 on one epoll thread.
//
//   mock            listens on 127.0.0.1, any free port, and prints that port on a line
//
// Without "stream":true the answer is about 1 KB of JSON. With it, events of about 200 bytes each, as many and as fast as
// the request's own text asks for: [[bench chunks=200 gap_us=5000]]. A gap of 0 means as fast as the socket takes them; with
// another one, first_us=250000 has the first of them wait, as a model that reads its prompt does.
// Every content event holds the word ~tok~ once, which the load generator counts.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 4096, READ_SIZE = 1 << 16, BURST = 64 };

typedef struct {
  int fd;
  char *in;
  size_t in_length, in_capacity;
  char *out;
  size_t out_length, out_sent, out_capacity;
  long chunks_left;
  uint64_t gap_ns, due_ns;
  int streaming, wants_write;
} Connection;

static int poller;
static Connection *connections[MAX_CONNECTIONS];
static int connection_count;

static char json_answer[4096], stream_head[1024], stream_event[512], stream_tail[1024];

static uint64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static size_t framed(char *into, size_t size, const char *event) {
  return (size_t)snprintf(into, size, "%zx\r\n%s\r\n", strlen(event), event);
}

#define CHUNK(delta, finish)                                                                                      \
  "data: {\"id\":\"chatcmpl-bench-0001\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,"            \
  "\"model\":\"bench-model\",\"choices\":[{\"index\":0,\"delta\":" delta ",\"finish_reason\":" finish "}]}\n\n"

static void build_answers(void) {
  char text[800];
  memset(text, 'x', sizeof text - 1);
  for (size_t at = 7; at < sizeof text - 1; at += 8) text[at] = ' ';
  text[sizeof text - 1] = 0;
  char body[2048];
  snprintf(body, sizeof body,
           "{\"id\":\"chatcmpl-bench-0001\",\"object\":\"chat.completion\",\"created\":1760000000,\"model\":\"bench-model\","
           "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%s\"},\"finish_reason\":\"stop\"}],"
           "\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":90,\"total_tokens\":102}}",
           text);
  snprintf(json_answer, sizeof json_answer, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n%s", strlen(body), body);
  int head = snprintf(stream_head, sizeof stream_head, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n");
  framed(stream_head + head, sizeof stream_head - (size_t)head, CHUNK("{\"role\":\"assistant\",\"content\":\"\"}", "null"));
  framed(stream_event, sizeof stream_event, CHUNK("{\"content\":\"~tok~ word\"}", "null"));
  size_t tail = framed(stream_tail, sizeof stream_tail, CHUNK("{}", "\"stop\""));
  tail += framed(stream_tail + tail, sizeof stream_tail - tail,
                 "data: {\"id\":\"chatcmpl-bench-0001\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,\"model\":\"bench-model\","
                 "\"choices\":[],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":90,\"total_tokens\":102}}\n\n");
  tail += framed(stream_tail + tail, sizeof stream_tail - tail, "data: [DONE]\n\n");
  snprintf(stream_tail + tail, sizeof stream_tail - tail, "0\r\n\r\n");
}

static void append(Connection *connection, const char *bytes) {
  size_t length = strlen(bytes);
  if (connection->out_length + length > connection->out_capacity) {
    connection->out_capacity = (connection->out_length + length) * 2;
    connection->out = realloc(connection->out, connection->out_capacity);
  }
  memcpy(connection->out + connection->out_length, bytes, length);
  connection->out_length += length;
}

static void forget(Connection *connection) {
  close(connection->fd);
  for (int at = 0; at < connection_count; at++)
    if (connections[at] == connection) connections[at] = connections[--connection_count];
  free(connection->in);
  free(connection->out);
  free(connection);
}

static void watch_writes(Connection *connection, int wanted) {
  if (connection->wants_write == wanted) return;
  connection->wants_write = wanted;
  struct epoll_event event = {.events = EPOLLIN | (wanted ? EPOLLOUT : 0), .data.ptr = connection};
  epoll_ctl(poller, EPOLL_CTL_MOD, connection->fd, &event);
}

// Gives 0 when the peer is gone.
static int flush_out(Connection *connection) {
  while (connection->out_sent < connection->out_length) {
    ssize_t sent = write(connection->fd, connection->out + connection->out_sent, connection->out_length - connection->out_sent);
    if (sent < 0 && errno == EAGAIN) {
      watch_writes(connection, 1);
      return 1;
    }
    if (sent <= 0) return 0;
    connection->out_sent += (size_t)sent;
  }
  connection->out_sent = connection->out_length = 0;
  watch_writes(connection, 0);
  return 1;
}

static void end_stream(Connection *connection) {
  append(connection, stream_tail);
  connection->streaming = 0;
}

// Queues what is due; gives 0 when the peer is gone.
static int advance(Connection *connection, uint64_t now) {
  if (connection->out_sent < connection->out_length) return 1;
  if (connection->gap_ns == 0) {
    for (int count = 0; count < BURST && connection->chunks_left > 0; count++, connection->chunks_left--) append(connection, stream_event);
  } else {
    // A late turn sends all that are due, so that the pace holds on average.
    for (; connection->chunks_left > 0 && connection->due_ns <= now; connection->chunks_left--, connection->due_ns += connection->gap_ns)
      append(connection, stream_event);
  }
  if (connection->chunks_left == 0) end_stream(connection);
  return flush_out(connection);
}

static long number_after(const char *text, size_t length, const char *name) {
  const char *found = memmem(text, length, name, strlen(name));
  return found == NULL ? 0 : strtol(found + strlen(name), NULL, 10);
}

static char *header(char *head, size_t length, const char *name) {
  for (char *line = head; line != NULL && line < head + length; line = memchr(line, '\n', (size_t)(head + length - line))) {
    if (*line == '\n') line++;
    if (strncasecmp(line, name, strlen(name)) == 0) return line + strlen(name);
  }
  return NULL;
}

// Gives the length of the first whole request, head included, or 0 while it is incomplete.
static size_t request_length(Connection *connection, size_t *head_length) {
  char *end = memmem(connection->in, connection->in_length, "\r\n\r\n", 4);
  if (end == NULL) return 0;
  *head_length = (size_t)(end - connection->in) + 4;
  char *encoding = header(connection->in, *head_length, "transfer-encoding:");
  if (encoding != NULL) {
    char *last = memmem(connection->in + *head_length, connection->in_length - *head_length, "0\r\n\r\n", 5);
    return last == NULL ? 0 : (size_t)(last - connection->in) + 5;
  }
  char *stated = header(connection->in, *head_length, "content-length:");
  size_t total = *head_length + (stated == NULL ? 0 : strtoul(stated, NULL, 10));
  return connection->in_length >= total ? total : 0;
}

// Answers every whole request that has been read; gives 0 when the peer is gone.
static int answer_all(Connection *connection) {
  size_t head_length, total;
  while (!connection->streaming && (total = request_length(connection, &head_length)) > 0) {
    char *body = connection->in + head_length;
    size_t length = total - head_length;
    if (memmem(body, length, "\"stream\":true", 13) != NULL || memmem(body, length, "\"stream\": true", 14) != NULL) {
      connection->chunks_left = number_after(body, length, "chunks=");
      connection->gap_ns = (uint64_t)number_after(body, length, "gap_us=") * 1000u;
      connection->due_ns = now_ns() + (uint64_t)number_after(body, length, "first_us=") * 1000u;
      connection->streaming = 1;
      append(connection, stream_head);
    } else {
      append(connection, json_answer);
    }
    memmove(connection->in, connection->in + total, connection->in_length - total);
    connection->in_length -= total;
    if (!flush_out(connection)) return 0;
    if (connection->streaming && !advance(connection, now_ns())) return 0;
  }
  return 1;
}

static int read_in(Connection *connection) {
  if (connection->in_length + READ_SIZE > connection->in_capacity) {
    connection->in_capacity = connection->in_length * 2 + READ_SIZE * 2;
    connection->in = realloc(connection->in, connection->in_capacity);
  }
  ssize_t got = read(connection->fd, connection->in + connection->in_length, connection->in_capacity - connection->in_length);
  if (got < 0 && errno == EAGAIN) return 1;
  if (got <= 0) return 0;
  connection->in_length += (size_t)got;
  return answer_all(connection);
}

static void accept_all(int listener) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0) return;
    if (connection_count == MAX_CONNECTIONS) {
      close(fd);
      continue;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Connection *connection = calloc(1, sizeof *connection);
    connection->fd = fd;
    connections[connection_count++] = connection;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
  }
}

// Milliseconds until a paced stream is due; 0 while a flooding one can write; -1 when only the sockets can wake us.
static int next_timeout(uint64_t now) {
  int64_t least = -1;
  for (int at = 0; at < connection_count; at++) {
    Connection *connection = connections[at];
    if (!connection->streaming || connection->out_sent < connection->out_length) continue;
    if (connection->gap_ns == 0 || connection->due_ns <= now) return 0;
    int64_t wait = (int64_t)((connection->due_ns - now) / 1000000u) + 1;
    if (least < 0 || wait < least) least = wait;
  }
  return (int)least;
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  build_answers();
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  if (bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 1024) != 0 || getsockname(listener, (struct sockaddr *)&address, &size) != 0) {
    perror("mock");
    return 1;
  }
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  poller = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
  struct epoll_event events[256];
  for (;;) {
    int count = epoll_wait(poller, events, 256, next_timeout(now_ns()));
    for (int at = 0; at < count; at++) {
      Connection *connection = events[at].data.ptr;
      if (connection == NULL) {
        accept_all(listener);
        continue;
      }
      int alive = 1;
      if (events[at].events & EPOLLOUT) alive = flush_out(connection) && (connection->streaming || answer_all(connection));
      if (alive && (events[at].events & (EPOLLIN | EPOLLHUP | EPOLLERR))) alive = read_in(connection);
      if (!alive) forget(connection);
    }
    uint64_t now = now_ns();
    for (int at = connection_count - 1; at >= 0; at--)
      if (connections[at]->streaming && !advance(connections[at], now)) forget(connections[at]);
  }
}
