/*
 * What it takes to tell whose key it is, among all clients of a configuration.
 *
 *   identify CONFIGURATION KEYS ROUNDS
 *
 * KEYS holds a key a line, each a client's. In each round every key is identified once, and as many
 * that nobody has. Prints the median and the longest of the rounds' averages in nanoseconds. Under
 * callgrind, --toggle-collect=clients_identify counts the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "access/clients.h"
#include "base/clock.h"
#include "base/memory.h"
#include "config/file.h"
#include "config/read.h"

enum { KEYS_LIMIT_BYTES = 1024 * 1024, ROUNDS_LIMIT = 1000000 };

struct keys {
    struct bytes *list;
    size_t count;
};

static void keys_cut(struct bytes text, struct keys *keys)
{
    keys->list = memory_take(text.length + 1, sizeof(struct bytes));
    while (text.length > 0)
        keys->list[keys->count++] = bytes_cut(&text, '\n');
}

static int64_t now_ns(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    return (int64_t)now.tv_sec * 1000 * 1000 * 1000 + now.tv_nsec;
}

/* Nanoseconds that one of the round took; ends the process on a wrong answer. */
static double round_run(const struct clients *clients, const struct keys *keys)
{
    const int64_t wall_us = clock_wall_us(), begun_ns = now_ns();
    struct identified who;
    size_t known = 0;

    for (size_t i = 0; i < keys->count; i++) {
        const struct bytes nobody_s = bytes_from(keys->list[i], 1);

        known += clients_identify(clients, keys->list[i], wall_us, &who) == RESULT_OK;
        known += clients_identify(clients, nobody_s, wall_us, &who) == RESULT_OK;
    }
    const double each_ns = (double)(now_ns() - begun_ns) / (double)(2 * keys->count);
    if (known != keys->count) {
        (void)fprintf(stderr, "identify: %zu of %zu keys were known\n", known, keys->count);
        exit(EXIT_FAILURE);
    }
    return each_ns;
}

static int doubles_order(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

static void rounds_run(const struct configuration *configuration, const struct keys *keys,
                       size_t count)
{
    double *rounds = memory_take(count, sizeof(*rounds));
    struct clients *clients;

    if (clients_create(configuration, &clients) != RESULT_OK)
        exit(EXIT_FAILURE);
    for (size_t i = 0; i < count; i++)
        rounds[i] = round_run(clients, keys);
    qsort(rounds, count, sizeof(*rounds), doubles_order);
    (void)printf("%zu identifications of %zu clients: median %.1f ns, longest %.1f ns\n",
                 2 * count * keys->count, configuration->client_count, rounds[count / 2],
                 rounds[count - 1]);
    clients_destroy(clients);
    free(rounds);
}

int main(int argc, char **argv)
{
    struct configuration *configuration;
    struct faults faults = {0};
    struct error error = {0};
    struct keys keys = {0};
    struct buffer text;
    uint64_t rounds;

    buffer_init(&text, KEYS_LIMIT_BYTES);
    if (argc != 4 ||
        bytes_to_number(bytes_of_string(argv[3]), ROUNDS_LIMIT, &rounds) != RESULT_OK ||
        rounds == 0) {
        (void)fputs("usage: identify CONFIGURATION KEYS ROUNDS\n", stderr);
        return EXIT_FAILURE;
    }
    if (configuration_read_file(argv[1], &configuration, &faults) != RESULT_OK ||
        file_read(argv[2], &text, &error) != RESULT_OK) {
        (void)fprintf(stderr, "identify: %s\n",
                      faults.count > 0 ? faults.list[0].text : error.text);
        return EXIT_FAILURE;
    }
    keys_cut(buffer_bytes(&text), &keys);
    rounds_run(configuration, &keys, (size_t)rounds);
    free(keys.list);
    buffer_finish(&text);
    configuration_release(configuration);
    return EXIT_SUCCESS;
}
