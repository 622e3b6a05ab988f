/* Calls on one profile or subprofile. */
#include "sandbox/api.h"

#include "sandbox/profile.h"
#include "sandbox/table.h"

static void get_profile(struct model *model, const struct call *call, struct reply *reply)
{
    struct profile *profile = api_profile(model, call, reply);

    if (profile != NULL)
        reply_text(reply,
                   arena_copy(call->arena,
                              shape_profile(profile, call_flag(call, BYTES("dataonly"), false))));
}

static void get_subprofile(struct model *model, const struct call *call, struct reply *reply)
{
    struct profile *subprofile = api_subprofile(model, call, reply);

    if (subprofile != NULL)
        reply_text(reply, arena_copy(call->arena, shape_profile(subprofile, false)));
}

/* Members fields, interests and secret. */
static void put_entity(struct model *model, const struct call *call, struct reply *reply,
                       struct profile *profile)
{
    struct bytes secret;

    if (profile == NULL || !api_body_is_readable(call, reply))
        return;
    api_set_values(model, call, profile, call_member(call, "fields"));
    if (profile->owner == NULL)
        api_set_interests(model, call, profile, call_member(call, "interests"),
                          cJSON_IsArray(call_member(call, "interests")));
    if (call_text(call, call_member(call, "secret"), &secret) && secret.length > 0)
        profile_set_secret(profile, secret);
    reply_updated(reply, call);
}

static void put_profile(struct model *model, const struct call *call, struct reply *reply)
{
    put_entity(model, call, reply, api_profile(model, call, reply));
}

static void put_subprofile(struct model *model, const struct call *call, struct reply *reply)
{
    put_entity(model, call, reply, api_subprofile(model, call, reply));
}

static void put_values(struct model *model, const struct call *call, struct reply *reply,
                       struct profile *profile)
{
    if (profile == NULL || !api_body_is_readable(call, reply))
        return;
    api_set_values(model, call, profile, call->body);
    reply_updated(reply, call);
}

static void put_profile_fields(struct model *model, const struct call *call, struct reply *reply)
{
    put_values(model, call, reply, api_profile(model, call, reply));
}

static void put_subprofile_fields(struct model *model, const struct call *call, struct reply *reply)
{
    put_values(model, call, reply, api_subprofile(model, call, reply));
}

static void get_profile_fields(struct model *model, const struct call *call, struct reply *reply)
{
    const struct profile *profile = api_profile(model, call, reply);

    if (profile != NULL)
        reply_json(reply, shape_values(profile));
}

static void get_subprofile_fields(struct model *model, const struct call *call, struct reply *reply)
{
    const struct profile *subprofile = api_subprofile(model, call, reply);

    if (subprofile != NULL)
        reply_json(reply, shape_values(subprofile));
}

/* `completely` erases; without it the profile can still be read, as removed. */
static void delete_entity(struct model *model, const struct call *call, struct reply *reply,
                          struct profile *profile)
{
    const bool is_subprofile = profile->owner != NULL;
    const uint32_t id = profile->id;
    bool completely = call_flag(call, BYTES("completely"), false);

    api_take_flag(call, "completely", &completely);
    if (profile->removed_s != 0 && !completely) {
        reply_error(reply, is_subprofile ? "This subprofile has already been removed"
                                         : "This profile has already been removed");
        return;
    }
    if (completely)
        profile_destroy(model, profile);
    else
        profile_remove(model, profile);
    reply_deleted(reply, call, is_subprofile ? KIND_SUBPROFILE : KIND_PROFILE, id);
}

static void delete_profile(struct model *model, const struct call *call, struct reply *reply)
{
    struct profile *profile = api_profile(model, call, reply);

    if (profile != NULL)
        delete_entity(model, call, reply, profile);
}

static void delete_subprofile(struct model *model, const struct call *call, struct reply *reply)
{
    struct profile *subprofile = api_subprofile(model, call, reply);

    if (subprofile != NULL)
        delete_entity(model, call, reply, subprofile);
}

/* `return` says how: names (the default), ids or objects. */
static void get_profile_interests(struct model *model, const struct call *call, struct reply *reply)
{
    const struct profile *profile = api_profile(model, call, reply);
    const struct bytes wanted = call_parameter(call, BYTES("return"));
    const bool as_ids = bytes_equal(wanted, BYTES("ids"));

    if (profile == NULL)
        return;
    if (!as_ids && !bytes_equal(wanted, BYTES("objects"))) {
        reply_json(reply, shape_interest_names(profile));
        return;
    }
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; i < profile->interests.count; i++) {
        const struct interest *interest = profile->interests.items[i];

        (void)cJSON_AddItemToArray(
            array, as_ids ? cJSON_CreateString(arena_format(call->arena, "%u", interest->id).data)
                          : shape_interest(interest));
    }
    reply_json(reply, array);
}

static void write_interests(struct model *model, const struct call *call, struct reply *reply,
                            bool replaces)
{
    struct profile *profile = api_profile(model, call, reply);
    const cJSON *member = call_member(call, "interests");

    if (profile == NULL || !api_body_is_readable(call, reply))
        return;
    api_set_interests(model, call, profile, member == NULL ? call->body : member, replaces);
    reply_updated(reply, call);
}

static void post_profile_interests(struct model *model, const struct call *call,
                                   struct reply *reply)
{
    write_interests(model, call, reply, false);
}

static void put_profile_interests(struct model *model, const struct call *call, struct reply *reply)
{
    write_interests(model, call, reply, true);
}

static void put_entity_unsubscribe(struct model *model, const struct call *call,
                                   struct reply *reply, struct profile *profile)
{
    if (profile == NULL)
        return;
    profile_unsubscribe(model, profile);
    reply_updated(reply, call);
}

static void put_profile_unsubscribe(struct model *model, const struct call *call,
                                    struct reply *reply)
{
    put_entity_unsubscribe(model, call, reply, api_profile(model, call, reply));
}

static void put_subprofile_unsubscribe(struct model *model, const struct call *call,
                                       struct reply *reply)
{
    put_entity_unsubscribe(model, call, reply, api_subprofile(model, call, reply));
}

static cJSON *shape_file(const struct call *call, struct bytes id)
{
    cJSON *file = cJSON_CreateObject();
    const struct bytes name = arena_format(call->arena, "file-%.*s.bin", (int)id.length, id.data);

    (void)cJSON_AddStringToObject(file, "ID", arena_copy(call->arena, id).data);
    (void)cJSON_AddStringToObject(file, "name", name.data);
    (void)cJSON_AddStringToObject(file, "type", "application/octet-stream");
    return file;
}

/* Each profile has one file, of its own number. */
static void get_profile_files(struct model *model, const struct call *call, struct reply *reply)
{
    const struct profile *profile = api_profile(model, call, reply);

    if (profile == NULL)
        return;
    cJSON *data = cJSON_CreateArray();
    (void)cJSON_AddItemToArray(data,
                               shape_file(call, arena_format(call->arena, "%u", profile->id)));
    reply_json(reply, shape_envelope(data, 100, 1));
}

/* The file's number, or the error: any number is a file, so that tests may have many. */
static bool api_file(const struct model *model, const struct call *call, struct reply *reply,
                     uint64_t *number)
{
    if (api_profile(model, call, reply) == NULL)
        return false;
    if (bytes_to_number(call->arguments[1], UINT32_MAX, number) == RESULT_OK)
        return true;
    reply_error(reply, "No file with supplied ID");
    return false;
}

static void get_file(struct model *model, const struct call *call, struct reply *reply)
{
    uint64_t number;

    if (api_file(model, call, reply, &number))
        reply_json(reply, shape_file(call, call->arguments[1]));
}

static void get_file_content(struct model *model, const struct call *call, struct reply *reply)
{
    uint64_t number;

    if (!api_file(model, call, reply, &number))
        return;
    reply->status = 200;
    reply->streams_content = true;
    reply->content_seed = number;
    reply_field(reply, BYTES("Content-Type"), BYTES("application/octet-stream"));
}

/* The body has been counted and thrown away by the server. */
static void post_media_file(struct model *model, const struct call *call, struct reply *reply)
{
    reply->status = 201;
    reply_field(reply, BYTES("X-Created"),
                arena_format(call->arena, "%u", (unsigned)(model_random(model) >> 33)));
}

static const struct endpoint endpoints[] = {
    {METHOD_GET, "/profile/{profile}", IN_ALL, ENDPOINT_ENTITY, get_profile},
    {METHOD_PUT, "/profile/{profile}", IN_ALL, ENDPOINT_ENTITY, put_profile},
    {METHOD_DELETE, "/profile/{profile}", IN_ALL, ENDPOINT_ENTITY, delete_profile},
    {METHOD_GET, "/profile/{profile}/fields", IN_ALL, ENDPOINT_LIST, get_profile_fields},
    {METHOD_PUT, "/profile/{profile}/fields", IN_ALL, ENDPOINT_LIST, put_profile_fields},
    {METHOD_GET, "/profile/{profile}/interests", IN_ALL, ENDPOINT_LIST, get_profile_interests},
    {METHOD_GET, "/profile/{profile}/interests-get", IN_V1, ENDPOINT_LIST, get_profile_interests},
    {METHOD_POST, "/profile/{profile}/interests", IN_ALL, ENDPOINT_LIST, post_profile_interests},
    {METHOD_PUT, "/profile/{profile}/interests", IN_ALL, ENDPOINT_LIST, put_profile_interests},
    {METHOD_POST, "/profile/{profile}/changeinterests", IN_V1, ENDPOINT_LIST,
     post_profile_interests},
    {METHOD_PUT, "/profile/{profile}/unsubscribe", SINCE_V2, ENDPOINT_ENTITY,
     put_profile_unsubscribe},
    {METHOD_GET, "/profile/{profile}/files", SINCE_V2, ENDPOINT_LIST, get_profile_files},
    {METHOD_GET, "/profile/{profile}/file/{file}/json", SINCE_V3, ENDPOINT_ENTITY, get_file},
    {METHOD_GET, "/profile/{profile}/file/{file}/content", SINCE_V3, ENDPOINT_ENTITY,
     get_file_content},
    {METHOD_GET, "/subprofile/{subprofile}", IN_ALL, ENDPOINT_ENTITY, get_subprofile},
    {METHOD_PUT, "/subprofile/{subprofile}", SINCE_V2, ENDPOINT_ENTITY, put_subprofile},
    {METHOD_DELETE, "/subprofile/{subprofile}", IN_ALL, ENDPOINT_ENTITY, delete_subprofile},
    {METHOD_GET, "/subprofile/{subprofile}/fields", IN_ALL, ENDPOINT_LIST, get_subprofile_fields},
    {METHOD_PUT, "/subprofile/{subprofile}/fields", IN_ALL, ENDPOINT_LIST, put_subprofile_fields},
    {METHOD_PUT, "/subprofile/{subprofile}/unsubscribe", SINCE_V2, ENDPOINT_ENTITY,
     put_subprofile_unsubscribe},
    {METHOD_POST, "/medialibrary/{medialibrary}/files", SINCE_V3, ENDPOINT_UPLOAD, post_media_file},
};

const struct endpoint_table profile_endpoints = {endpoints, ARRAY_LENGTH(endpoints)};
