/* Calls on fields and interests. */
#include "sandbox/api.h"

#include "sandbox/selection.h"
#include "sandbox/table.h"

static void get_fields(const struct call *call, struct reply *reply, const struct table *table)
{
    if (table != NULL)
        reply_list(reply, call, &table->fields, shape_field);
}

static void get_database_fields(struct model *model, const struct call *call, struct reply *reply)
{
    get_fields(call, reply, api_database(model, call, reply));
}

static void get_collection_fields(struct model *model, const struct call *call, struct reply *reply)
{
    get_fields(call, reply, api_collection(model, call, reply));
}

static void field_take_members(const struct call *call, struct field_definition *field)
{
    api_take_string(call, "name", &field->name);
    api_take_string(call, "type", &field->type);
    api_take_string(call, "value", &field->initial_value);
    api_take_string(call, "length", &field->length);
    api_take_string(call, "textlines", &field->textlines);
    api_take_flag(call, "displayed", &field->displayed);
    api_take_flag(call, "ordered", &field->ordered);
    api_take_flag(call, "hidden", &field->hidden);
    api_take_flag(call, "index", &field->indexed);
}

static void post_fields(struct model *model, const struct call *call, struct reply *reply,
                        struct table *table)
{
    const struct bytes name = api_body_text(call, "name");
    const struct bytes type = api_body_text(call, "type");

    if (table == NULL)
        return;
    if (name.length == 0 || table->fields.count >= TABLE_FIELDS_LIMIT ||
        table_field_index(table, name) < table->fields.count) {
        reply_error(reply, "Invalid data provided");
        return;
    }
    struct field_definition *field = table_add_field(
        model, table, name, type.length == 0 ? BYTES("text") : type, api_body_text(call, "value"));
    field_take_members(call, field);
    reply_created(reply, call, KIND_FIELD, field->id);
}

static void post_database_fields(struct model *model, const struct call *call, struct reply *reply)
{
    post_fields(model, call, reply, api_database(model, call, reply));
}

static void post_collection_fields(struct model *model, const struct call *call,
                                   struct reply *reply)
{
    post_fields(model, call, reply, api_collection(model, call, reply));
}

/* By id or name; answers the error where there is none. */
static struct field_definition *api_field(const struct table *table, struct bytes named,
                                          struct reply *reply)
{
    uint64_t id;
    const size_t index = bytes_to_number(named, UINT32_MAX, &id) == RESULT_OK
                             ? table_field_index_of_id(table, (uint32_t)id)
                             : table_field_index(table, named);

    if (index < table->fields.count)
        return table_field(table, index);
    reply_error(reply, "No field with supplied ID");
    return NULL;
}

/* Whether the body renames to a name that another field has. */
static bool name_is_taken(const struct call *call, const struct field_definition *field)
{
    const struct table *table = field->table;
    const size_t index = table_field_index(table, api_body_text(call, "name"));

    return index < table->fields.count && table_field(table, index) != field;
}

static void put_field(struct model *model, const struct call *call, struct reply *reply,
                      struct table *table)
{
    struct field_definition *field =
        table == NULL ? NULL : api_field(table, call->arguments[1], reply);

    if (field == NULL)
        return;
    if (call->is_body_bad || name_is_taken(call, field)) {
        reply_error(reply, "Invalid data provided");
        return;
    }
    field_take_members(call, field);
    table_forget_shapes(table);
    selection_rebuild_all(model, table);
    reply_updated(reply, call);
}

static void put_database_field(struct model *model, const struct call *call, struct reply *reply)
{
    put_field(model, call, reply, api_database(model, call, reply));
}

static void put_collection_field(struct model *model, const struct call *call, struct reply *reply)
{
    put_field(model, call, reply, api_collection(model, call, reply));
}

static void delete_field(struct model *model, const struct call *call, struct reply *reply,
                         struct table *table)
{
    struct field_definition *field =
        table == NULL ? NULL : api_field(table, call->arguments[1], reply);

    if (field == NULL)
        return;
    const uint32_t id = field->id;
    table_remove_field(model, field);
    reply_deleted(reply, call, KIND_FIELD, id);
}

static void delete_database_field(struct model *model, const struct call *call, struct reply *reply)
{
    delete_field(model, call, reply, api_database(model, call, reply));
}

static void delete_collection_field(struct model *model, const struct call *call,
                                    struct reply *reply)
{
    delete_field(model, call, reply, api_collection(model, call, reply));
}

static void get_interests(struct model *model, const struct call *call, struct reply *reply)
{
    struct table *database = api_database(model, call, reply);

    if (database != NULL)
        reply_list(reply, call, &database->interests, shape_interest);
}

static void post_interests(struct model *model, const struct call *call, struct reply *reply)
{
    struct table *database = api_database(model, call, reply);
    const struct bytes name = api_body_text(call, "name");

    if (database == NULL)
        return;
    if (name.length == 0 || table_find_interest(database, name) != NULL) {
        reply_error(reply, "Invalid data provided");
        return;
    }
    const struct interest *interest =
        table_add_interest(model, database, name, api_body_text(call, "group"));
    reply_created(reply, call, KIND_INTEREST, interest->id);
}

static struct interest *api_interest(const struct model *model, const struct call *call,
                                     struct reply *reply)
{
    struct interest *interest = api_find(model, KIND_INTEREST, call->arguments[0]);

    if (interest == NULL)
        reply_error(reply, "No interest with supplied ID");
    return interest;
}

static void put_interest(struct model *model, const struct call *call, struct reply *reply)
{
    struct interest *interest = api_interest(model, call, reply);

    if (interest == NULL || !api_body_is_readable(call, reply))
        return;
    api_take_string(call, "name", &interest->name);
    api_take_string(call, "group", &interest->group);
    table_forget_shapes(interest->database);
    reply_updated(reply, call);
}

static void delete_interest(struct model *model, const struct call *call, struct reply *reply)
{
    struct interest *interest = api_interest(model, call, reply);

    if (interest == NULL)
        return;
    const uint32_t id = interest->id;
    table_remove_interest(model, interest);
    reply_deleted(reply, call, KIND_INTEREST, id);
}

static const struct endpoint endpoints[] = {
    {METHOD_GET, "/database/{database}/fields", IN_ALL, ENDPOINT_LIST, get_database_fields},
    {METHOD_POST, "/database/{database}/fields", IN_ALL, ENDPOINT_LIST, post_database_fields},
    {METHOD_PUT, "/database/{database}/field/{field}", IN_ALL, ENDPOINT_ENTITY, put_database_field},
    {METHOD_DELETE, "/database/{database}/field/{field}", IN_ALL, ENDPOINT_ENTITY,
     delete_database_field},
    {METHOD_GET, "/database/{database}/interests", IN_ALL, ENDPOINT_LIST, get_interests},
    {METHOD_POST, "/database/{database}/interests", IN_ALL, ENDPOINT_LIST, post_interests},
    {METHOD_PUT, "/interest/{interest}", SINCE_V2, ENDPOINT_ENTITY, put_interest},
    {METHOD_DELETE, "/interest/{interest}", SINCE_V2, ENDPOINT_ENTITY, delete_interest},
    {METHOD_GET, "/collection/{collection}/fields", IN_ALL, ENDPOINT_LIST, get_collection_fields},
    {METHOD_POST, "/collection/{collection}/fields", IN_ALL, ENDPOINT_LIST, post_collection_fields},
    {METHOD_POST, "/collection/{collection}/field", IN_V1, ENDPOINT_ENTITY, post_collection_fields},
    {METHOD_PUT, "/collection/{collection}/field/{field}", IN_ALL, ENDPOINT_ENTITY,
     put_collection_field},
    {METHOD_DELETE, "/collection/{collection}/field/{field}", IN_ALL, ENDPOINT_ENTITY,
     delete_collection_field},
};

const struct endpoint_table structure_endpoints = {endpoints, ARRAY_LENGTH(endpoints)};
