/* Calls on the account, databases and collections as such; what stands in them is elsewhere. */
#include "sandbox/api.h"

#include "base/memory.h"
#include "sandbox/copy.h"
#include "sandbox/profile.h"
#include "sandbox/table.h"

static void get_identity(struct model *model, const struct call *call, struct reply *reply)
{
    cJSON *tree = cJSON_CreateObject();

    (void)cJSON_AddStringToObject(tree, "id",
                                  arena_format(call->arena, "%u", model->account_id).data);
    (void)cJSON_AddStringToObject(tree, "name", model->account_name);
    (void)cJSON_AddStringToObject(tree, "description", "Main account");
    (void)cJSON_AddStringToObject(tree, "company", "Voorbeeld BV");
    reply_json(reply, tree);
}

static void get_databases(struct model *model, const struct call *call, struct reply *reply)
{
    reply_list(reply, call, &model->databases, shape_table);
}

/* Name, description, archived. */
static void table_take_members(const struct call *call, struct table *table)
{
    api_take_string(call, "name", &table->name);
    if (table->kind != KIND_DATABASE)
        return;
    api_take_string(call, "description", &table->description);
    api_take_flag(call, "archived", &table->archived);
}

static void post_databases(struct model *model, const struct call *call, struct reply *reply)
{
    const struct bytes name = api_body_text(call, "name");

    if (name.length == 0 || table_find_database(model, name) != NULL) {
        reply_error(reply, "Invalid data provided");
        return;
    }
    struct table *database = table_create(model, NULL, name);
    table_take_members(call, database);
    reply_created(reply, call, KIND_DATABASE, database->id);
}

static void post_database_copy(struct model *model, const struct call *call, struct reply *reply)
{
    struct table *database = api_database(model, call, reply);
    const struct bytes name = api_body_text(call, "name");

    if (database == NULL)
        return;
    if (name.length == 0 || table_find_database(model, name) != NULL) {
        reply_error(reply, "Invalid data provided");
        return;
    }
    const cJSON *options = call_member(call, "options");
    const struct copy_options wanted = {
        .views = call_truth(call, cJSON_GetObjectItemCaseSensitive(options, "views")),
        .collections = call_truth(call, cJSON_GetObjectItemCaseSensitive(options, "collections")),
        .miniviews = call_truth(call, cJSON_GetObjectItemCaseSensitive(options, "miniviews")),
        .profiles = call_truth(call, cJSON_GetObjectItemCaseSensitive(options, "profiles")),
        .subprofiles = call_truth(call, cJSON_GetObjectItemCaseSensitive(options, "subprofiles")),
    };
    reply_created(reply, call, KIND_DATABASE, copy_database(model, database, name, &wanted)->id);
}

static void get_database(struct model *model, const struct call *call, struct reply *reply)
{
    struct table *database = api_database(model, call, reply);

    if (database != NULL)
        reply_json(reply, shape_table(database));
}

static void get_collection(struct model *model, const struct call *call, struct reply *reply)
{
    struct table *collection = api_collection(model, call, reply);

    if (collection != NULL)
        reply_json(reply, shape_table(collection));
}

static void put_table(const struct call *call, struct reply *reply, struct table *table,
                      const struct table *namesake)
{
    if (!api_body_is_readable(call, reply))
        return;
    if (namesake != NULL && namesake != table) {
        reply_error(reply, "Invalid data provided");
        return;
    }
    table_take_members(call, table);
    reply_updated(reply, call);
}

static void put_database(struct model *model, const struct call *call, struct reply *reply)
{
    struct table *database = api_database(model, call, reply);

    if (database != NULL)
        put_table(call, reply, database, table_find_database(model, api_body_text(call, "name")));
}

static void put_collection(struct model *model, const struct call *call, struct reply *reply)
{
    struct table *collection = api_collection(model, call, reply);

    if (collection != NULL)
        put_table(call, reply, collection,
                  table_find_collection(collection->database, api_body_text(call, "name")));
}

static void delete_database(struct model *model, const struct call *call, struct reply *reply)
{
    struct table *database = api_database(model, call, reply);

    if (database == NULL)
        return;
    const uint32_t id = database->id;
    table_destroy(model, database);
    reply_deleted(reply, call, KIND_DATABASE, id);
}

static void get_collections(struct model *model, const struct call *call, struct reply *reply)
{
    struct table *database = api_database(model, call, reply);

    if (database != NULL)
        reply_list(reply, call, &database->collections, shape_table);
}

static void post_collections(struct model *model, const struct call *call, struct reply *reply)
{
    struct table *database = api_database(model, call, reply);
    const struct bytes name = api_body_text(call, "name");

    if (database == NULL)
        return;
    if (name.length == 0 || table_find_collection(database, name) != NULL) {
        reply_error(reply, "Invalid data provided");
        return;
    }
    reply_created(reply, call, KIND_COLLECTION, table_create(model, database, name)->id);
}

static void put_intentions(const struct call *call, struct reply *reply, struct table *table)
{
    if (table == NULL || !api_body_is_readable(call, reply))
        return;
    api_take_intentions(call, &table->intentions);
    reply_updated(reply, call);
}

static void put_database_intentions(struct model *model, const struct call *call,
                                    struct reply *reply)
{
    put_intentions(call, reply, api_database(model, call, reply));
}

static void put_collection_intentions(struct model *model, const struct call *call,
                                      struct reply *reply)
{
    put_intentions(call, reply, api_collection(model, call, reply));
}

static void get_database_unsubscribe(struct model *model, const struct call *call,
                                     struct reply *reply)
{
    struct table *database = api_database(model, call, reply);

    if (database != NULL)
        reply_json(reply, shape_unsubscribe(database));
}

static void get_collection_unsubscribe(struct model *model, const struct call *call,
                                       struct reply *reply)
{
    struct table *collection = api_collection(model, call, reply);

    if (collection != NULL)
        reply_json(reply, shape_unsubscribe(collection));
}

static bool behavior_read(struct bytes text, enum unsubscribe_behavior *behavior)
{
    if (bytes_equal(text, BYTES("nothing")))
        *behavior = UNSUBSCRIBE_NOTHING;
    else if (bytes_equal(text, BYTES("update")))
        *behavior = UNSUBSCRIBE_UPDATE;
    else if (bytes_equal(text, BYTES("remove")))
        *behavior = UNSUBSCRIBE_REMOVE;
    else
        return false;
    return true;
}

/* The fields of the behaviour become those of the body that exist. */
static void table_take_behavior_fields(const struct call *call, struct table *table,
                                       const cJSON *fields)
{
    const cJSON *member;

    table_clear_behavior(table);
    if (!cJSON_IsObject(fields))
        return;
    cJSON_ArrayForEach(member, fields)
    {
        const size_t index = table_field_index(table, bytes_of_string(member->string));
        struct bytes text;

        if (index == table->fields.count || !call_text(call, member, &text))
            continue;
        pointers_add(&table->behavior_fields, memory_string(table_field(table, index)->name));
        pointers_add(&table->behavior_fields, string_of(text));
    }
}

static void put_unsubscribe(const struct call *call, struct reply *reply, struct table *table)
{
    const cJSON *fields = call_member(call, "fields");

    if (table == NULL)
        return;
    if (!cJSON_IsObject(call->body) ||
        (call_member(call, "behavior") != NULL &&
         !behavior_read(api_body_text(call, "behavior"), &table->behavior))) {
        reply_error(reply, "Invalid data provided");
        return;
    }
    if (fields != NULL)
        table_take_behavior_fields(call, table, fields);
    reply_updated(reply, call);
}

static void put_database_unsubscribe(struct model *model, const struct call *call,
                                     struct reply *reply)
{
    put_unsubscribe(call, reply, api_database(model, call, reply));
}

static void put_collection_unsubscribe(struct model *model, const struct call *call,
                                       struct reply *reply)
{
    put_unsubscribe(call, reply, api_collection(model, call, reply));
}

static const struct endpoint endpoints[] = {
    {METHOD_GET, "/identity", IN_ALL, ENDPOINT_ENTITY, get_identity},
    {METHOD_GET, "/databases", IN_ALL, ENDPOINT_LIST, get_databases},
    {METHOD_POST, "/databases", IN_ALL, ENDPOINT_LIST, post_databases},
    {METHOD_POST, "/database/{database}/copy", SINCE_V2, ENDPOINT_ENTITY, post_database_copy},
    {METHOD_GET, "/database/{database}", IN_ALL, ENDPOINT_ENTITY, get_database},
    {METHOD_PUT, "/database/{database}", IN_ALL, ENDPOINT_ENTITY, put_database},
    {METHOD_DELETE, "/database/{database}", IN_V1, ENDPOINT_ENTITY, delete_database},
    {METHOD_GET, "/database/{database}/unsubscribe", IN_ALL, ENDPOINT_ENTITY,
     get_database_unsubscribe},
    {METHOD_PUT, "/database/{database}/unsubscribe", IN_ALL, ENDPOINT_ENTITY,
     put_database_unsubscribe},
    {METHOD_GET, "/database/{database}/collections", IN_ALL, ENDPOINT_LIST, get_collections},
    {METHOD_POST, "/database/{database}/collections", IN_ALL, ENDPOINT_LIST, post_collections},
    {METHOD_PUT, "/database/{database}/intentions", SINCE_V2, ENDPOINT_ENTITY,
     put_database_intentions},
    {METHOD_GET, "/collection/{collection}", IN_ALL, ENDPOINT_ENTITY, get_collection},
    {METHOD_PUT, "/collection/{collection}", IN_ALL, ENDPOINT_ENTITY, put_collection},
    {METHOD_GET, "/collection/{collection}/unsubscribe", IN_ALL, ENDPOINT_ENTITY,
     get_collection_unsubscribe},
    {METHOD_PUT, "/collection/{collection}/unsubscribe", IN_ALL, ENDPOINT_ENTITY,
     put_collection_unsubscribe},
    {METHOD_PUT, "/collection/{collection}/intentions", SINCE_V2, ENDPOINT_ENTITY,
     put_collection_intentions},
};

const struct endpoint_table table_endpoints = {endpoints, ARRAY_LENGTH(endpoints)};
