/* Who presents a key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "access/clients.h"

enum { MANY = 1000, NOW_US = 1000000 };

static struct client_config configs[MANY];

/* A configuration of the first `count` clients, whose keys are "key0", "key1" … */
static struct configuration configuration_of(size_t count)
{
    char key[32];

    for (size_t i = 0; i < count; i++) {
        (void)snprintf(key, sizeof(key), "key%zu", i);
        assert_int_equal(client_key_hash(bytes_of_string(key), configs[i].keys[0].hash), RESULT_OK);
        configs[i].name = "x";
        configs[i].keys[0].until_wall_us = INT64_MAX;
        configs[i].key_count = 1;
        configs[i].disabled = false;
    }
    return (struct configuration){.clients = configs, .client_count = count};
}

static void each_key_is_its_client_s(void **state)
{
    const struct configuration configuration = configuration_of(MANY);
    struct clients *clients;
    char key[32];

    (void)state;
    assert_int_equal(clients_create(&configuration, &clients), RESULT_OK);
    for (size_t i = 0; i < MANY; i++) {
        struct identified who = {0};

        (void)snprintf(key, sizeof(key), "key%zu", i);
        assert_int_equal(clients_identify(clients, bytes_of_string(key), NOW_US, &who), RESULT_OK);
        assert_ptr_equal(who.client, &configs[i]);
    }
    clients_destroy(clients);
}

static void other_keys_are_refused(void **state)
{
    static const char *const keys[] = {"", "key", "key5 ", "Key5", "key1000", "key55555"};
    const struct configuration configuration = configuration_of(MANY);
    struct identified who = {0};
    struct clients *clients;

    (void)state;
    assert_int_equal(clients_create(&configuration, &clients), RESULT_OK);
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++)
        assert_int_equal(clients_identify(clients, bytes_of_string(keys[i]), NOW_US, &who),
                         RESULT_REFUSED);
    assert_int_equal(clients_identify(clients, (struct bytes){0}, NOW_US, &who), RESULT_REFUSED);
    assert_null(who.client);
    clients_destroy(clients);
}

/* Digests that fall into one slot, around the end of the table, are still told apart. */
static void digests_that_collide_are_told_apart(void **state)
{
    struct configuration configuration = configuration_of(3);
    struct identified who = {0};
    struct clients *clients;

    (void)state;
    for (size_t i = 0; i < 2;
         i++) { /* clients 0 and 1: the digest of key2, but for its last byte */
        memcpy(configs[i].keys[0].hash, configs[2].keys[0].hash, CLIENT_KEY_HASH_BYTES);
        configs[i].keys[0].hash[CLIENT_KEY_HASH_BYTES - 1] ^= (uint8_t)(i + 1);
    }
    assert_int_equal(clients_create(&configuration, &clients), RESULT_OK);
    assert_int_equal(clients_identify(clients, BYTES("key2"), NOW_US, &who), RESULT_OK);
    assert_ptr_equal(who.client, &configs[2]);
    assert_int_equal(clients_identify(clients, BYTES("key0"), NOW_US, &who), RESULT_REFUSED);
    clients_destroy(clients);
}

static void without_clients_every_key_is_refused(void **state)
{
    const struct configuration configuration = configuration_of(0);
    struct identified who = {0};
    struct clients *clients;

    (void)state;
    assert_int_equal(clients_create(&configuration, &clients), RESULT_OK);
    assert_int_equal(clients_identify(clients, BYTES("key0"), NOW_US, &who), RESULT_REFUSED);
    clients_destroy(clients);
    clients_destroy(NULL);
}

static enum result identify(const struct clients *clients, const char *key, int64_t wall_us,
                            size_t *index)
{
    struct identified who = {0};
    const enum result result = clients_identify(clients, bytes_of_string(key), wall_us, &who);

    *index = result == RESULT_OK ? (size_t)(who.client - configs) : MANY;
    return result;
}

static void both_keys_of_a_rotation_are_the_client_s_until_their_ends(void **state)
{
    const struct configuration configuration = configuration_of(2);
    struct clients *clients;
    size_t index;

    (void)state;
    configs[1].key_count = 2;
    assert_int_equal(client_key_hash(BYTES("before"), configs[1].keys[1].hash), RESULT_OK);
    configs[1].keys[1].until_wall_us = NOW_US;
    configs[0].keys[0].until_wall_us = NOW_US + 5;
    assert_int_equal(clients_create(&configuration, &clients), RESULT_OK);
    assert_int_equal(identify(clients, "before", NOW_US - 1, &index), RESULT_OK);
    assert_int_equal(index, 1);
    assert_int_equal(identify(clients, "before", NOW_US, &index), RESULT_REFUSED);
    assert_int_equal(identify(clients, "key1", NOW_US, &index), RESULT_OK);
    assert_int_equal(index, 1);
    assert_int_equal(identify(clients, "key0", NOW_US + 4, &index), RESULT_OK);
    assert_int_equal(identify(clients, "key0", NOW_US + 5, &index), RESULT_REFUSED);
    clients_destroy(clients);
    configs[1].key_count = 1;
}

static void a_disabled_client_s_keys_are_refused(void **state)
{
    const struct configuration configuration = configuration_of(2);
    struct clients *clients;
    size_t index;

    (void)state;
    configs[0].disabled = true;
    assert_int_equal(clients_create(&configuration, &clients), RESULT_OK);
    assert_int_equal(identify(clients, "key0", NOW_US, &index), RESULT_REFUSED);
    assert_int_equal(identify(clients, "key1", NOW_US, &index), RESULT_OK);
    clients_destroy(clients);
}

/* FIPS 180-2, appendix B.1: "abc". */
static void the_hash_of_a_key_is_its_sha256(void **state)
{
    uint8_t key_hash[CLIENT_KEY_HASH_BYTES];
    char text[2 * CLIENT_KEY_HASH_BYTES + 1];

    (void)state;
    assert_int_equal(client_key_hash(BYTES("abc"), key_hash), RESULT_OK);
    bytes_to_hex(bytes_of(key_hash, sizeof(key_hash)), text);
    assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_key_is_its_client_s),
        cmocka_unit_test(other_keys_are_refused),
        cmocka_unit_test(digests_that_collide_are_told_apart),
        cmocka_unit_test(both_keys_of_a_rotation_are_the_client_s_until_their_ends),
        cmocka_unit_test(a_disabled_client_s_keys_are_refused),
        cmocka_unit_test(without_clients_every_key_is_refused),
        cmocka_unit_test(the_hash_of_a_key_is_its_sha256),
    };

    return cmocka_run_group_tests_name("access/clients", tests, NULL, NULL);
}
