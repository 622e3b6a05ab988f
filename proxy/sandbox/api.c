/* Shared by the handlers: identities of paths, and members of bodies. */
#include "sandbox/api.h"

#include "sandbox/profile.h"
#include "sandbox/table.h"

void *api_find(const struct model *model, enum kind kind, struct bytes id)
{
    uint64_t number;

    if (bytes_to_number(id, UINT32_MAX, &number) != RESULT_OK)
        return NULL;
    return model_find(model, kind, number);
}

static bool is_number(struct bytes text)
{
    uint64_t ignored;

    return bytes_to_number(text, UINT64_MAX, &ignored) != RESULT_INVALID;
}

struct table *api_database(const struct model *model, const struct call *call, struct reply *reply)
{
    const struct bytes named = call->arguments[0];
    struct table *database = is_number(named) ? api_find(model, KIND_DATABASE, named)
                                              : table_find_database(model, named);

    if (database == NULL)
        reply_error(reply, "No database with supplied ID");
    return database;
}

struct table *api_collection(const struct model *model, const struct call *call,
                             struct reply *reply)
{
    struct table *collection = api_find(model, KIND_COLLECTION, call->arguments[0]);

    if (collection == NULL)
        reply_error(reply, "No collection with given ID");
    return collection;
}

struct table *api_collection_of(const struct model *model, const struct table *database,
                                struct bytes named, struct reply *reply)
{
    struct table *collection = is_number(named) ? api_find(model, KIND_COLLECTION, named)
                                                : table_find_collection(database, named);

    if (collection == NULL || collection->database != database) {
        reply_error(reply, "No collection with given ID");
        return NULL;
    }
    return collection;
}

struct profile *api_profile(const struct model *model, const struct call *call, struct reply *reply)
{
    struct profile *profile = api_find(model, KIND_PROFILE, call->arguments[0]);

    if (profile == NULL)
        reply_error(reply, "No entity with supplied ID");
    return profile;
}

struct profile *api_subprofile(const struct model *model, const struct call *call,
                               struct reply *reply)
{
    struct profile *subprofile = api_find(model, KIND_SUBPROFILE, call->arguments[0]);

    if (subprofile == NULL)
        reply_error(reply, "No subprofile with supplied ID");
    return subprofile;
}

struct selection *api_selection(const struct model *model, enum kind kind, const struct call *call,
                                struct reply *reply)
{
    struct selection *selection = api_find(model, kind, call->arguments[0]);

    if (selection == NULL)
        reply_error(reply, kind == KIND_VIEW ? "No view with supplied ID"
                                             : "No miniview with supplied ID");
    return selection;
}

void api_set_values(struct model *model, const struct call *call, struct profile *profile,
                    const cJSON *values)
{
    const cJSON *member;

    if (!cJSON_IsObject(values))
        return;
    cJSON_ArrayForEach(member, values)
    {
        const size_t index = table_field_index(profile->table, bytes_of_string(member->string));
        struct bytes text;

        if (index < profile->table->fields.count && call_text(call, member, &text))
            profile_set_value(model, profile, index, text);
    }
}

void api_set_interests(struct model *model, const struct call *call, struct profile *profile,
                       const cJSON *interests, bool replaces)
{
    const bool is_switches = cJSON_IsObject(interests);
    const cJSON *member;

    if (!is_switches && !cJSON_IsArray(interests))
        return;
    if (replaces)
        profile_clear_interests(model, profile);
    cJSON_ArrayForEach(member, interests)
    {
        struct bytes name = BYTES("");

        if (is_switches)
            name = bytes_of_string(member->string);
        else if (!call_text(call, member, &name))
            continue;
        struct interest *interest = table_find_interest(profile->table, name);
        if (interest != NULL)
            profile_switch_interest(model, profile, interest,
                                    !is_switches || call_truth(call, member));
    }
}

struct bytes api_body_text(const struct call *call, const char *name)
{
    struct bytes text;

    return call_text(call, call_member(call, name), &text) ? text : BYTES("");
}

void api_take_string(const struct call *call, const char *name, char **string)
{
    struct bytes text;

    if (call_text(call, call_member(call, name), &text))
        string_set(string, text);
}

void api_take_flag(const struct call *call, const char *name, bool *flag)
{
    const cJSON *member = call_member(call, name);

    if (member != NULL)
        *flag = call_truth(call, member);
}

void api_take_intentions(const struct call *call, struct intentions *intentions)
{
    api_take_flag(call, "email", &intentions->email);
    api_take_flag(call, "sms", &intentions->sms);
    api_take_flag(call, "fax", &intentions->fax);
    api_take_flag(call, "pdf", &intentions->pdf);
}

bool api_body_is_readable(const struct call *call, struct reply *reply)
{
    if (!call->is_body_bad)
        return true;
    reply_error(reply, "Invalid data provided");
    return false;
}
