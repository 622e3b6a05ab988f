/* Slots of clients' counters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/client_slots.h"
#include "gateway/counters.h"

static uint32_t slot_of_number(struct client_slots *slots, unsigned number)
{
    char name[16];

    (void)snprintf(name, sizeof(name), "c%u", number);
    return client_slots_find(slots, name);
}

static void a_name_keeps_its_slot(void **state)
{
    struct client_slots *slots = client_slots_create();

    (void)state;
    assert_string_equal(client_slots_name(slots, 0), ""); /* nobody */
    assert_null(client_slots_name(slots, 1));
    for (int round = 0; round < 2; round++)
        for (unsigned i = 0; i < 100; i++)
            assert_int_equal(slot_of_number(slots, i), i + 1);
    assert_string_equal(client_slots_name(slots, 42), "c41");
    assert_null(client_slots_name(slots, 101));
    client_slots_destroy(slots);
    client_slots_destroy(NULL);
}

static void later_names_share_the_last_slot(void **state)
{
    struct client_slots *slots = client_slots_create();

    (void)state;
    for (unsigned i = 0; i < COUNTERS_CLIENTS + 10; i++) {
        const uint32_t slot = slot_of_number(slots, i);

        assert_int_equal(slot, i + 1 < COUNTERS_CLIENTS ? i + 1 : COUNTERS_CLIENTS - 1);
    }
    assert_int_equal(slot_of_number(slots, 7), 8);
    assert_null(client_slots_name(slots, COUNTERS_CLIENTS));
    client_slots_destroy(slots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_keeps_its_slot),
        cmocka_unit_test(later_names_share_the_last_slot),
    };

    return cmocka_run_group_tests_name("gateway/client_slots", tests, NULL, NULL);
}
