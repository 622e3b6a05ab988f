/* For tests that read configurations: from text, with what is wrong as one string. */
#ifndef TESTS_UNIT_CONFIG_READING_H
#define TESTS_UNIT_CONFIG_READING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "config/read.h"

/* The configuration of a text that must be fine; to be released. */
static inline struct configuration *reading(const char *text)
{
    struct configuration *configuration = NULL;
    struct faults faults = {0};

    if (configuration_read_text(bytes_of_string(text), "/nowhere", &configuration, &faults) != 0)
        fail_msg("%s: %s", faults.list[0].pointer, faults.list[0].text);
    assert_int_equal(faults.count, 0);
    faults_finish(&faults);
    return configuration;
}

/* The faults of a text that must have some; to be finished. */
static inline struct faults faults_of(const char *text)
{
    struct configuration *configuration = NULL;
    struct faults faults = {0};

    assert_int_equal(
        configuration_read_text(bytes_of_string(text), "/nowhere", &configuration, &faults),
        RESULT_INVALID);
    assert_null(configuration);
    assert_true(faults.count > 0);
    return faults;
}

/* The text has exactly one fault: there, and with these words in it. */
static inline void assert_fault(const char *text, unsigned line, const char *pointer,
                                const char *words)
{
    struct faults faults = faults_of(text);

    for (size_t i = 1; i < faults.count; i++)
        print_message("also: %s: %s\n", faults.list[i].pointer, faults.list[i].text);
    assert_int_equal(faults.count, 1);
    assert_string_equal(faults.list[0].pointer, pointer);
    assert_int_equal(faults.list[0].line, line);
    if (strstr(faults.list[0].text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", faults.list[0].text, words);
    faults_finish(&faults);
}

#endif
