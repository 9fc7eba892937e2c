// A load generator: keeps a number of requests in flight over HTTP/1.1 keep-alive on one epoll thread, and measures.
//
//   load PORT PATH BODY_FILE CONNECTIONS WARM_SECONDS SECONDS [HEADER]...
//
// A connection that the other side announces to close is opened anew, as clients do. Prints one line of JSON. Latency:
// request sent until the answer is complete. First token: until the first ~tok~ is seen.
// Only answers that end inside the measured time count, but all_requests and all_chunks count everything, for CPU figures.
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

typedef enum { IN_HEAD, IN_SIZE, IN_CHUNK, AFTER_CHUNK, IN_TRAILER, IN_BODY } Place;

typedef struct {
  int fd;
  uint64_t sent_at;
  size_t request_sent;
  char head[16384];
  size_t head_length;
  Place place;
  size_t left;
  int status, closes, line_length, saw_token, matched;
} Connection;

typedef struct {
  uint32_t *tenths;  // of a microsecond
  size_t length, capacity;
} Samples;

static int poller, port;
static char *request;
static size_t request_length;
static Samples latency, first_token;
static uint64_t measure_from, measure_until;
static unsigned long good, bad, broken, chunks, all_requests, all_chunks;
static int last_bad_status;
static const char token[] = "~tok~";

static uint64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static int is_measured(uint64_t now) { return now >= measure_from && now <= measure_until; }

static void add(Samples *samples, uint64_t ns) {
  if (samples->length == samples->capacity) {
    samples->capacity = samples->capacity == 0 ? 65536 : samples->capacity * 2;
    samples->tenths = realloc(samples->tenths, samples->capacity * sizeof *samples->tenths);
  }
  samples->tenths[samples->length++] = ns / 100 > UINT32_MAX ? UINT32_MAX : (uint32_t)(ns / 100);
}

static int ascending(const void *a, const void *b) {
  uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
  return (left > right) - (left < right);
}

static double at_share(const Samples *samples, double share) {
  return samples->length == 0 ? 0 : samples->tenths[(size_t)((double)(samples->length - 1) * share)] / 10.0;
}

static void print_samples(const char *name, Samples *samples) {
  if (samples->length == 0) return;
  qsort(samples->tenths, samples->length, sizeof *samples->tenths, ascending);
  printf(",\"%s\":{\"p50\":%.1f,\"p99\":%.1f}", name, at_share(samples, 0.5), at_share(samples, 0.99));
}

static void send_rest(Connection *connection) {
  while (connection->request_sent < request_length) {
    ssize_t sent = write(connection->fd, request + connection->request_sent, request_length - connection->request_sent);
    if (sent <= 0) return;
    connection->request_sent += (size_t)sent;
  }
}

static void send_request(Connection *connection) {
  connection->head_length = connection->request_sent = connection->left = 0;
  connection->place = IN_HEAD;
  connection->saw_token = connection->matched = 0;
  connection->sent_at = now_ns();
  send_rest(connection);
}

static void open_connection(Connection *connection) {
  connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  int on = 1;
  setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (connect(connection->fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS) {
    perror("load: connect");
    exit(1);
  }
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = connection};
  epoll_ctl(poller, EPOLL_CTL_ADD, connection->fd, &event);
  send_request(connection);
}

static void finish(Connection *connection, uint64_t now) {
  all_requests++;
  if (is_measured(now)) {
    if (connection->status == 200) {
      good++;
      add(&latency, now - connection->sent_at);
    } else {
      bad++;
      last_bad_status = connection->status;
    }
  }
  int is_over = now >= measure_until;
  if (!is_over && !connection->closes) {
    send_request(connection);
    return;
  }
  close(connection->fd);
  connection->fd = -1;
  if (!is_over) open_connection(connection);
}

// Counts the token even when it is split over reads.
static void count_tokens(Connection *connection, const char *bytes, size_t length, uint64_t now) {
  for (size_t at = 0; at < length; at++) {
    if (connection->matched == 0) {
      const char *next = memchr(bytes + at, token[0], length - at);
      if (next == NULL) return;
      at = (size_t)(next - bytes);
    }
    connection->matched = bytes[at] == token[connection->matched] ? connection->matched + 1 : bytes[at] == token[0];
    if (token[connection->matched] != 0) continue;
    connection->matched = 0;
    all_chunks++;
    if (is_measured(now)) chunks++;
    if (connection->saw_token) continue;
    connection->saw_token = 1;
    if (is_measured(now)) add(&first_token, now - connection->sent_at);
  }
}

static char *header(Connection *connection, const char *name) {
  for (char *line = strchr(connection->head, '\n'); line != NULL; line = strchr(line + 1, '\n'))
    if (strncasecmp(line + 1, name, strlen(name)) == 0) return line + 1 + strlen(name);
  return NULL;
}

static size_t take_head(Connection *connection, const char *bytes, size_t length) {
  size_t before = connection->head_length, room = sizeof connection->head - 1 - before, taken = length < room ? length : room;
  memcpy(connection->head + before, bytes, taken);
  connection->head_length += taken;
  connection->head[connection->head_length] = 0;
  char *end = strstr(connection->head, "\r\n\r\n");
  if (end == NULL) {
    if (room == 0) exit(1);
    return taken;
  }
  end[2] = 0;
  connection->status = atoi(connection->head + 9);
  char *encoding = header(connection, "transfer-encoding:"), *stated = header(connection, "content-length:");
  char *persistence = header(connection, "connection:");
  connection->closes = persistence != NULL && strncasecmp(persistence + strspn(persistence, " "), "close", 5) == 0;
  connection->place = encoding != NULL ? IN_SIZE : IN_BODY;
  connection->left = encoding != NULL || stated == NULL ? 0 : strtoul(stated, NULL, 10);
  connection->line_length = 0;
  return (size_t)(end - connection->head) + 4 - before;
}

// Takes the line that holds a chunk's size, byte by byte; a size of 0 leads to the trailer.
static size_t take_size(Connection *connection, char byte) {
  int digit = byte >= '0' && byte <= '9' ? byte - '0' : (byte | 32) >= 'a' && (byte | 32) <= 'f' ? (byte | 32) - 'a' + 10 : -1;
  if (digit >= 0) connection->left = connection->left * 16 + (size_t)digit;
  if (byte == '\n') {
    connection->place = connection->left > 0 ? IN_CHUNK : IN_TRAILER;
    connection->line_length = 0;
  }
  return 1;
}

// Takes bytes of an answer; gives how many, or 0 when the answer is complete with the byte before.
static size_t take(Connection *connection, const char *bytes, size_t length, uint64_t now, int *complete) {
  switch (connection->place) {
    case IN_HEAD: {
      size_t taken = take_head(connection, bytes, length);
      *complete = connection->place == IN_BODY && connection->left == 0;
      return taken;
    }
    case IN_SIZE:
      return take_size(connection, *bytes);
    case AFTER_CHUNK:
      if (*bytes == '\n') connection->place = IN_SIZE;
      return 1;
    case IN_TRAILER:
      if (*bytes == '\n') {
        *complete = connection->line_length == 0;
        connection->line_length = 0;
      } else if (*bytes != '\r') connection->line_length++;
      return 1;
    default: {
      size_t taken = length < connection->left ? length : connection->left;
      count_tokens(connection, bytes, taken, now);
      connection->left -= taken;
      if (connection->left == 0) {
        *complete = connection->place == IN_BODY;
        connection->place = AFTER_CHUNK;
      }
      return taken;
    }
  }
}

static void read_answers(Connection *connection) {
  static char buffer[1 << 18];
  for (;;) {
    ssize_t got = read(connection->fd, buffer, sizeof buffer);
    if (got < 0 && errno == EAGAIN) return;
    uint64_t now = now_ns();
    if (got <= 0) {
      broken++;
      close(connection->fd);
      if (broken > 10000) exit(1);
      if (now < measure_until) open_connection(connection);
      else connection->fd = -1;
      return;
    }
    for (size_t at = 0; at < (size_t)got;) {
      int complete = 0;
      at += take(connection, buffer + at, (size_t)got - at, now, &complete);
      if (!complete) continue;
      int closes = connection->closes;
      finish(connection, now);
      if (closes || connection->fd < 0) return;
    }
  }
}

static void build_request(int count, char **arguments) {
  FILE *file = fopen(arguments[3], "rb");
  if (file == NULL) {
    perror(arguments[3]);
    exit(1);
  }
  fseek(file, 0, SEEK_END);
  size_t length = (size_t)ftell(file);
  rewind(file);
  request = malloc(length + 8192);
  int head = snprintf(request, 4096, "POST %s HTTP/1.1\r\nhost: 127.0.0.1:%d\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n", arguments[2], port, length);
  for (int at = 7; at < count; at++) head += snprintf(request + head, 1024, "%s\r\n", arguments[at]);
  head += snprintf(request + head, 3, "\r\n");
  if (fread(request + head, 1, length, file) != length) exit(1);
  fclose(file);
  request_length = (size_t)head + length;
}

int main(int count, char **arguments) {
  if (count < 7) {
    fprintf(stderr, "load PORT PATH BODY_FILE CONNECTIONS WARM_SECONDS SECONDS [HEADER]...\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  port = atoi(arguments[1]);
  build_request(count, arguments);
  int wanted = atoi(arguments[4]);
  poller = epoll_create1(0);
  measure_from = now_ns() + (uint64_t)(atof(arguments[5]) * 1e9);
  measure_until = measure_from + (uint64_t)(atof(arguments[6]) * 1e9);
  Connection *connections = calloc((size_t)wanted, sizeof *connections);
  for (int at = 0; at < wanted; at++) open_connection(&connections[at]);
  struct epoll_event events[256];
  while (now_ns() < measure_until) {
    int ready = epoll_wait(poller, events, 256, 50);
    for (int at = 0; at < ready; at++) {
      Connection *connection = events[at].data.ptr;
      if (connection->fd < 0) continue;
      if (events[at].events & EPOLLOUT) send_rest(connection);
      if (connection->fd >= 0 && (events[at].events & (EPOLLIN | EPOLLHUP | EPOLLERR))) read_answers(connection);
    }
  }
  double seconds = (double)(measure_until - measure_from) / 1e9;
  printf("{\"requests_per_second\":%.1f,\"chunks_per_second\":%.1f,\"bad\":%lu,\"last_bad_status\":%d,\"broken\":%lu,\"all_requests\":%lu,\"all_chunks\":%lu",
         (double)good / seconds, (double)chunks / seconds, bad, last_bad_status, broken, all_requests, all_chunks);
  print_samples("latency_us", &latency);
  print_samples("first_token_us", &first_token);
  printf("}\n");
}
