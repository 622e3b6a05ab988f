/*
 * How the blocks of a configuration are read: each object has a table of its members, each member a
 * function that checks and stores its value. Nothing stops at the first fault: a reading goes on
 * with defaults so that one run tells all that is wrong, and what it made is thrown away.
 */
#ifndef POSTERN_CONFIG_READER_H
#define POSTERN_CONFIG_READER_H

#include "config/configuration.h"
#include "config/read.h"
#include "config/source.h"

enum {
    FAULTS_LIMIT = 100, /* the last says that there are more */
    WARNINGS_LIMIT = 100,
};

/* One reading; lives on the stack of its caller. */
struct reader {
    const struct source *source;
    struct faults *faults;
    struct configuration *configuration; /* whose arena all results live in */
    const char *directory;               /* that relative paths start from */
    const char **warnings;               /* heap */
    size_t warning_count;
    const char *file;        /* a preset's; NULL in the configuration itself */
    struct reader *outer;    /* a preset's: who reads the configuration … */
    const cJSON *outer_item; /* … and where it names the preset */
};

struct member;

/* Checks `item` and stores it in the struct `into`. */
typedef void member_reader(struct reader *reader, const cJSON *item, const struct member *member,
                           void *into);

struct member {
    const char *name;
    member_reader *read;
    size_t offset;             /* of what the reader_… functions below store in `into` */
    size_t count_offset;       /* of reader_list's second value */
    uint64_t minimum, maximum; /* of numbers, durations and sizes; maximum 0: none */
    const char *const *words;  /* of reader_choice, ended by NULL */
    bool required;
};

/* Adds a fault or a warning at `item`. A preset's faults name its file, and stand where the
 * configuration names the preset. */
void reader_fault(struct reader *reader, const cJSON *item, const char *format, ...)
    PRINTF_LIKE(3, 4);
void reader_warn(struct reader *reader, const cJSON *item, const char *format, ...)
    PRINTF_LIKE(3, 4);

/*
 * Reads an object by its table, in the order of the table. False, and a fault, where `item` is no
 * object. Unknown, doubled and missing members are faults.
 */
bool reader_members(struct reader *reader, const cJSON *item, const struct member *members,
                    size_t count, void *into);

/* The member of that name, or NULL. */
const cJSON *reader_member(const cJSON *object, const char *name);

/* How many values an array has; a fault and 0 where it is none. `what` says what it expects. */
size_t reader_array(struct reader *reader, const cJSON *item, const char *what);

/* The text of a string that is not empty, in the arena; a fault and NULL where it is none. `what`
 * says what is expected: "the name of a field". */
const char *reader_string(struct reader *reader, const cJSON *item, const char *what);

/* An array of such strings into the arena: true, *list and *count, or a fault. */
bool reader_strings(struct reader *reader, const cJSON *item, const char *what,
                    const struct bytes **list, size_t *count);

/* A path as it stands, or below the directory of the file where it is relative. */
const char *reader_locate(struct reader *reader, const char *path);

/* A whole number between the two bounds, or a fault. */
bool reader_whole(struct reader *reader, const cJSON *item, uint64_t minimum, uint64_t maximum,
                  uint64_t *number);

/* Adds one at the end; the one that reaches FAULTS_LIMIT says that there are more. */
void faults_add(struct faults *faults, const struct error *error);

/* Functions for tables. They store … */
member_reader reader_ignore;   /* nothing: any string ("$schema") */
member_reader reader_refuse;   /* nothing: a fault, for what is not available yet */
member_reader reader_number;   /* uint32_t, from minimum to maximum */
member_reader reader_real;     /* double, from minimum to maximum */
member_reader reader_duration; /* int64_t µs */
member_reader reader_size;     /* uint64_t bytes */
member_reader reader_flag;     /* bool */
member_reader reader_text;     /* const char * */
member_reader reader_path;     /* const char *, made absolute or relative to the file's directory */
member_reader reader_list;     /* const struct bytes *, and a size_t at count_offset */
member_reader reader_choice;   /* unsigned or enum: the index of the word */

#endif
