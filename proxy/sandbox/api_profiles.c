/* Calls on many profiles or subprofiles: lists, creation, and writes to those that fields[]
 * selects. */
#include "sandbox/api.h"

#include "sandbox/profile.h"
#include "sandbox/table.h"

static void list_profiles(struct model *model, const struct call *call, struct reply *reply,
                          const struct table *table, bool only_ids)
{
    if (table != NULL)
        reply_profiles(
            reply, call,
            &(struct profile_list){
                .model = model, .table = table, .source = &table->profiles, .only_ids = only_ids});
}

static void get_profiles(struct model *model, const struct call *call, struct reply *reply)
{
    list_profiles(model, call, reply, api_database(model, call, reply), false);
}

static void get_profile_ids(struct model *model, const struct call *call, struct reply *reply)
{
    list_profiles(model, call, reply, api_database(model, call, reply), true);
}

static void get_subprofiles(struct model *model, const struct call *call, struct reply *reply)
{
    list_profiles(model, call, reply, api_collection(model, call, reply), false);
}

static void get_subprofile_ids(struct model *model, const struct call *call, struct reply *reply)
{
    list_profiles(model, call, reply, api_collection(model, call, reply), true);
}

/* v1 has the fields at the top of the body, later versions in `fields`, with `interests` beside. */
static void post_profiles(struct model *model, const struct call *call, struct reply *reply)
{
    struct table *database = api_database(model, call, reply);
    const cJSON *fields = call->version == 1 ? call->body : call_member(call, "fields");
    struct profile *profile;

    if (database == NULL)
        return;
    if (call->is_body_bad || (fields != NULL && !cJSON_IsObject(fields)) ||
        profile_create(model, database, NULL, &profile) != RESULT_OK) {
        reply_error(reply, "Failed to create profile");
        return;
    }
    api_set_values(model, call, profile, fields);
    api_set_interests(model, call, profile, call_member(call, "interests"), false);
    reply_created(reply, call, KIND_PROFILE, profile->id);
}

/* Bulk writes take the fields at the top, or in `fields` with `interests` beside. */
static void write_body(struct model *model, const struct call *call, struct profile *profile)
{
    const cJSON *fields = call_member(call, "fields");

    api_set_values(model, call, profile, cJSON_IsObject(fields) ? fields : call->body);
    if (profile->owner == NULL)
        api_set_interests(model, call, profile, call_member(call, "interests"),
                          cJSON_IsArray(call_member(call, "interests")));
}

/* fields[] must be there, even if it says nothing. */
static bool fields_are_given(const struct call *call, struct reply *reply)
{
    struct bytes ignored;
    size_t at = 0;

    if (call_next_of(call, BYTES("fields"), &at, &ignored))
        return true;
    reply_error(reply, "URL parameter fields is required");
    return false;
}

/* Those of `source`; where there is none, a new one of `owner` if `create` is asked for. */
struct bulk {
    struct table *table;
    struct profile *owner;
    const struct pointers *source;
    bool may_create;
};

static void put_none(struct model *model, const struct call *call, struct reply *reply,
                     const struct bulk *bulk)
{
    struct profile *profile;

    if (!bulk->may_create || !call_flag(call, BYTES("create"), false)) {
        reply_updated_many(reply, call);
        return;
    }
    if (profile_create(model, bulk->table, bulk->owner, &profile) != RESULT_OK) {
        reply_error(reply, bulk->owner == NULL ? "Failed to create profile"
                                               : "Subprofile could not be created");
        return;
    }
    write_body(model, call, profile);
    reply_created_by_put(reply, call, bulk->owner == NULL ? KIND_PROFILE : KIND_SUBPROFILE,
                         profile->id);
}

static void put_bulk(struct model *model, const struct call *call, struct reply *reply,
                     const struct bulk *bulk)
{
    struct pointers selected = {0};

    if (!fields_are_given(call, reply) || !api_body_is_readable(call, reply))
        return;
    select_profiles(call, bulk->table, bulk->source, &selected);
    for (size_t i = 0; i < selected.count; i++)
        write_body(model, call, selected.items[i]);
    if (selected.count == 0)
        put_none(model, call, reply, bulk);
    else
        reply_updated_many(reply, call);
    pointers_finish(&selected);
}

static void put_profiles(struct model *model, const struct call *call, struct reply *reply)
{
    struct table *database = api_database(model, call, reply);

    if (database != NULL)
        put_bulk(
            model, call, reply,
            &(struct bulk){.table = database, .source = &database->profiles, .may_create = true});
}

static void put_collection_subprofiles(struct model *model, const struct call *call,
                                       struct reply *reply)
{
    struct table *collection = api_collection(model, call, reply);

    if (collection != NULL)
        put_bulk(model, call, reply,
                 &(struct bulk){.table = collection, .source = &collection->profiles});
}

static void delete_profiles(struct model *model, const struct call *call, struct reply *reply)
{
    const struct table *database = api_database(model, call, reply);
    const cJSON *ids = call_member(call, "profiles"), *item;

    if (database == NULL)
        return;
    if (!cJSON_IsArray(ids)) {
        reply_error(reply, "Invalid data provided");
        return;
    }
    cJSON_ArrayForEach(item, ids)
    {
        struct bytes id;
        struct profile *profile =
            call_text(call, item, &id) ? api_find(model, KIND_PROFILE, id) : NULL;

        if (profile != NULL && profile->table == database && profile->removed_s == 0)
            profile_remove(model, profile);
    }
    reply_updated_many(reply, call);
}

static void unsubscribe_many(struct model *model, const struct call *call, struct reply *reply,
                             const struct table *table)
{
    struct pointers selected = {0};

    if (table == NULL || !fields_are_given(call, reply))
        return;
    select_profiles(call, table, &table->profiles, &selected);
    for (size_t i = 0; i < selected.count; i++)
        profile_unsubscribe(model, selected.items[i]);
    pointers_finish(&selected);
    reply_updated_many(reply, call);
}

static void put_database_unsubscribes(struct model *model, const struct call *call,
                                      struct reply *reply)
{
    unsubscribe_many(model, call, reply, api_database(model, call, reply));
}

static void put_collection_unsubscribes(struct model *model, const struct call *call,
                                        struct reply *reply)
{
    unsubscribe_many(model, call, reply, api_collection(model, call, reply));
}

/* The collection of the second argument, in the database of the profile of the first. */
static struct table *api_profile_collection(const struct model *model, const struct call *call,
                                            struct reply *reply, struct profile **profile)
{
    *profile = api_profile(model, call, reply);
    return *profile == NULL
               ? NULL
               : api_collection_of(model, (*profile)->table, call->arguments[1], reply);
}

static void subprofiles_in(const struct profile *profile, const struct table *collection,
                           struct pointers *found)
{
    for (size_t i = 0; i < profile->subprofiles.count; i++) {
        struct profile *subprofile = profile->subprofiles.items[i];

        if (subprofile->table == collection)
            pointers_add(found, subprofile);
    }
}

static void get_profile_subprofiles(struct model *model, const struct call *call,
                                    struct reply *reply)
{
    struct profile *profile;
    const struct table *collection = api_profile_collection(model, call, reply, &profile);
    struct pointers found = {0};

    if (collection == NULL)
        return;
    subprofiles_in(profile, collection, &found);
    reply_profiles(reply, call,
                   &(struct profile_list){.model = model, .table = collection, .source = &found});
    pointers_finish(&found);
}

static void post_profile_subprofiles(struct model *model, const struct call *call,
                                     struct reply *reply)
{
    struct profile *profile, *subprofile;
    struct table *collection = api_profile_collection(model, call, reply, &profile);

    if (collection == NULL)
        return;
    if (call->is_body_bad || profile->removed_s != 0 ||
        profile_create(model, collection, profile, &subprofile) != RESULT_OK) {
        reply_error(reply, "Subprofile could not be created");
        return;
    }
    api_set_values(model, call, subprofile, call->body);
    reply_created(reply, call, KIND_SUBPROFILE, subprofile->id);
}

static void put_profile_subprofiles(struct model *model, const struct call *call,
                                    struct reply *reply)
{
    struct profile *profile;
    struct table *collection = api_profile_collection(model, call, reply, &profile);
    struct pointers found = {0};

    if (collection == NULL)
        return;
    subprofiles_in(profile, collection, &found);
    put_bulk(model, call, reply,
             &(struct bulk){.table = collection,
                            .owner = profile,
                            .source = &found,
                            .may_create = profile->removed_s == 0});
    pointers_finish(&found);
}

static const struct endpoint endpoints[] = {
    {METHOD_GET, "/database/{database}/profiles", IN_ALL, ENDPOINT_LIST, get_profiles},
    {METHOD_POST, "/database/{database}/profiles", IN_ALL, ENDPOINT_LIST, post_profiles},
    {METHOD_PUT, "/database/{database}/profiles", IN_ALL, ENDPOINT_LIST, put_profiles},
    {METHOD_DELETE, "/database/{database}/profiles", SINCE_V2, ENDPOINT_LIST, delete_profiles},
    {METHOD_GET, "/database/{database}/profileids", IN_ALL, ENDPOINT_LIST, get_profile_ids},
    {METHOD_PUT, "/database/{database}/unsubscribes", SINCE_V2, ENDPOINT_LIST,
     put_database_unsubscribes},
    {METHOD_GET, "/collection/{collection}/subprofiles", IN_ALL, ENDPOINT_LIST, get_subprofiles},
    {METHOD_PUT, "/collection/{collection}/subprofiles", SINCE_V3, ENDPOINT_LIST,
     put_collection_subprofiles},
    {METHOD_GET, "/collection/{collection}/subprofileids", IN_ALL, ENDPOINT_LIST,
     get_subprofile_ids},
    {METHOD_PUT, "/collection/{collection}/unsubscribes", SINCE_V2, ENDPOINT_LIST,
     put_collection_unsubscribes},
    {METHOD_GET, "/profile/{profile}/subprofiles/{collection}", IN_ALL, ENDPOINT_LIST,
     get_profile_subprofiles},
    {METHOD_POST, "/profile/{profile}/subprofiles/{collection}", IN_ALL, ENDPOINT_LIST,
     post_profile_subprofiles},
    {METHOD_PUT, "/profile/{profile}/subprofiles/{collection}", SINCE_V2, ENDPOINT_LIST,
     put_profile_subprofiles},
};

const struct endpoint_table profiles_endpoints = {endpoints, ARRAY_LENGTH(endpoints)};
