/*
 * The audit trail: on unless the configuration says false. What is not built yet is refused by
 * name, so that nobody believes in a promise that is not kept.
 */
#include "config/blocks.h"

enum { ROTATE_MINIMUM_BYTES = 4096 };

static void audit_sync(struct reader *reader, const cJSON *item, const struct member *member,
                       void *into)
{
    (void)member, (void)into;
    if (!cJSON_IsString(item) || strcmp(item->valuestring, "writes") != 0)
        reader_fault(reader, item, "expects \"writes\": nothing else is available yet");
}

static void audit_bodies(struct reader *reader, const cJSON *item, const struct member *member,
                         void *into)
{
    static const char *const words[] = {"none", "hash", NULL};
    const struct member choice = {.name = member->name, .words = words};
    struct configuration *configuration = into;
    unsigned hash = configuration->audit_hash_bodies;

    reader_choice(reader, item, &choice, &hash);
    configuration->audit_hash_bodies = hash == 1;
}

static void audit_on_failure(struct reader *reader, const cJSON *item, const struct member *member,
                             void *into)
{
    (void)member, (void)into;
    if (!cJSON_IsString(item) || strcmp(item->valuestring, "refuse-writes") != 0)
        reader_fault(reader, item, "expects \"refuse-writes\": nothing else is available yet");
}

void block_audit(struct reader *reader, const cJSON *item, const struct member *member, void *into)
{
    static const struct member members[] = {
        {.name = "sync", .read = audit_sync},
        {.name = "bodies", .read = audit_bodies},
        {.name = "mask",
         .read = reader_list,
         .offset = offsetof(struct configuration, audit_mask),
         .count_offset = offsetof(struct configuration, audit_mask_count)},
        {.name = "rotate",
         .read = reader_size,
         .offset = offsetof(struct configuration, audit_rotate_bytes),
         .minimum = ROTATE_MINIMUM_BYTES},
        {.name = "keep",
         .read = reader_duration,
         .offset = offsetof(struct configuration, audit_keep_us),
         .minimum = 1},
        {.name = "on_failure", .read = audit_on_failure},
    };
    struct configuration *configuration = into;

    if (cJSON_IsBool(item))
        reader_flag(reader, item, member, into);
    else if (cJSON_IsObject(item))
        (void)reader_members(reader, item, members, ARRAY_LENGTH(members), configuration);
    else
        reader_fault(reader, item, "expects an object, or false for no audit trail");
}
