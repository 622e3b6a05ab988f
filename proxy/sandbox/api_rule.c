/* Calls on rules and conditions of views and miniviews. The Field condition is simulated, others
 * are refused. */
#include "sandbox/api.h"

#include "sandbox/selection.h"
#include "sandbox/table.h"

static struct rule *api_rule(const struct model *model, enum kind kind, struct bytes id,
                             struct reply *reply)
{
    struct rule *rule = api_find(model, kind, id);

    if (rule == NULL)
        reply_error(reply, kind == KIND_RULE ? "No rule with supplied ID"
                                             : "No minirule with supplied ID");
    return rule;
}

static void list_rules(const struct call *call, struct reply *reply,
                       const struct selection *selection)
{
    if (selection != NULL)
        reply_list(reply, call, &selection->rules, shape_rule);
}

static void get_view_rules(struct model *model, const struct call *call, struct reply *reply)
{
    list_rules(call, reply, api_selection(model, KIND_VIEW, call, reply));
}

static void get_miniview_rules(struct model *model, const struct call *call, struct reply *reply)
{
    list_rules(call, reply, api_selection(model, KIND_MINIVIEW, call, reply));
}

static void rule_take_members(const struct call *call, struct rule *rule)
{
    api_take_string(call, "name", &rule->name);
    api_take_flag(call, "inversed", &rule->inversed);
    api_take_flag(call, "inverted", &rule->inversed); /* the pages' name for it */
    api_take_flag(call, "disabled", &rule->disabled);
}

static void post_rules(struct model *model, const struct call *call, struct reply *reply,
                       enum kind kind)
{
    struct selection *selection = api_selection(model, kind, call, reply);

    if (selection == NULL || !api_body_is_readable(call, reply))
        return;
    struct rule *rule = rule_create(model, selection, BYTES(""));
    rule_take_members(call, rule);
    reply_created(reply, call, kind == KIND_VIEW ? KIND_RULE : KIND_MINIRULE, rule->id);
}

static void post_view_rules(struct model *model, const struct call *call, struct reply *reply)
{
    post_rules(model, call, reply, KIND_VIEW);
}

static void post_miniview_rules(struct model *model, const struct call *call, struct reply *reply)
{
    post_rules(model, call, reply, KIND_MINIVIEW);
}

/* The rule of the second argument, which must belong to the selection of the first. */
static void get_rule_of(struct model *model, const struct call *call, struct reply *reply,
                        enum kind kind)
{
    const struct selection *selection = api_selection(model, kind, call, reply);
    const enum kind rule_kind = kind == KIND_VIEW ? KIND_RULE : KIND_MINIRULE;

    if (selection == NULL)
        return;
    const struct rule *rule = api_find(model, rule_kind, call->arguments[1]);
    if (rule == NULL || rule->selection != selection)
        reply_error(reply, "No rule with supplied ID");
    else
        reply_json(reply, shape_rule(rule));
}

static void get_view_rule(struct model *model, const struct call *call, struct reply *reply)
{
    get_rule_of(model, call, reply, KIND_VIEW);
}

static void get_miniview_rule(struct model *model, const struct call *call, struct reply *reply)
{
    get_rule_of(model, call, reply, KIND_MINIVIEW);
}

static void get_any_rule(struct model *model, const struct call *call, struct reply *reply,
                         enum kind kind)
{
    const struct rule *rule = api_rule(model, kind, call->arguments[0], reply);

    if (rule != NULL)
        reply_json(reply, shape_rule(rule));
}

static void get_rule(struct model *model, const struct call *call, struct reply *reply)
{
    get_any_rule(model, call, reply, KIND_RULE);
}

static void get_minirule(struct model *model, const struct call *call, struct reply *reply)
{
    get_any_rule(model, call, reply, KIND_MINIRULE);
}

static void put_any_rule(struct model *model, const struct call *call, struct reply *reply,
                         enum kind kind)
{
    struct rule *rule = api_rule(model, kind, call->arguments[0], reply);

    if (rule == NULL || !api_body_is_readable(call, reply))
        return;
    rule_take_members(call, rule);
    selection_rebuild(model, rule->selection);
    reply_updated(reply, call);
}

static void put_rule(struct model *model, const struct call *call, struct reply *reply)
{
    put_any_rule(model, call, reply, KIND_RULE);
}

static void put_minirule(struct model *model, const struct call *call, struct reply *reply)
{
    put_any_rule(model, call, reply, KIND_MINIRULE);
}

static void delete_any_rule(struct model *model, const struct call *call, struct reply *reply,
                            enum kind kind)
{
    struct rule *rule = api_rule(model, kind, call->arguments[0], reply);

    if (rule == NULL)
        return;
    const uint32_t id = rule->id;
    rule_destroy(model, rule);
    reply_deleted(reply, call, kind, id);
}

static void delete_rule(struct model *model, const struct call *call, struct reply *reply)
{
    delete_any_rule(model, call, reply, KIND_RULE);
}

static void delete_minirule(struct model *model, const struct call *call, struct reply *reply)
{
    delete_any_rule(model, call, reply, KIND_MINIRULE);
}

/* What a body says of a condition, checked before anything is changed. */
struct condition_body {
    bool has_comparison, has_field, has_other_field;
    enum comparison comparison;
    uint32_t field_id, other_field_id;
};

/* A member that names a field by id or name. False where it names none that exists. */
static bool body_field(const struct call *call, const struct table *table, const char *name,
                       uint32_t *field_id)
{
    const struct bytes named = api_body_text(call, name);
    uint64_t id;
    const size_t index = bytes_to_number(named, UINT32_MAX, &id) == RESULT_OK
                             ? table_field_index_of_id(table, (uint32_t)id)
                             : table_field_index(table, named);

    if (index == table->fields.count)
        return false;
    *field_id = table_field(table, index)->id;
    return true;
}

static bool condition_body_read(const struct call *call, const struct table *table,
                                struct condition_body *body)
{
    *body = (struct condition_body){.has_comparison = call_member(call, "comparison") != NULL,
                                    .has_field = call_member(call, "field") != NULL};
    body->has_other_field = api_body_text(call, "other-field").length > 0;
    if (!cJSON_IsObject(call->body))
        return false;
    if (body->has_comparison &&
        comparison_read(api_body_text(call, "comparison"), &body->comparison) != RESULT_OK)
        return false;
    if (body->has_field && !body_field(call, table, "field", &body->field_id))
        return false;
    return !body->has_other_field || body_field(call, table, "other-field", &body->other_field_id);
}

/* Setting a value takes the other field away. */
static void condition_apply(const struct call *call, const struct condition_body *body,
                            struct condition *condition)
{
    if (body->has_comparison)
        condition->comparison = body->comparison;
    if (body->has_field)
        condition->field_id = body->field_id;
    if (call_member(call, "value") != NULL)
        condition->other_field_id = 0;
    api_take_string(call, "value", &condition->value);
    if (body->has_other_field)
        condition->other_field_id = body->other_field_id;
    api_take_flag(call, "numeric-comparison", &condition->is_numeric);
}

static void post_any_condition(struct model *model, const struct call *call, struct reply *reply,
                               enum kind kind)
{
    struct rule *rule = api_rule(model, kind, call->arguments[0], reply);
    struct condition_body body;

    if (rule == NULL)
        return;
    if (!bytes_equal(api_body_text(call, "type"), BYTES("Field")) ||
        !condition_body_read(call, rule->selection->table, &body) || !body.has_field) {
        reply_error(reply, "Invalid data provided");
        return;
    }
    struct condition *condition = condition_create(model, rule);
    condition_apply(call, &body, condition);
    reply_created(reply, call, kind == KIND_RULE ? KIND_CONDITION : KIND_MINICONDITION,
                  condition->id);
}

static void post_condition(struct model *model, const struct call *call, struct reply *reply)
{
    post_any_condition(model, call, reply, KIND_RULE);
}

static void post_minicondition(struct model *model, const struct call *call, struct reply *reply)
{
    post_any_condition(model, call, reply, KIND_MINIRULE);
}

/* The condition of /condition/{type}/{id}: ids count per type, and Field is the only one here. */
static struct condition *api_condition(const struct model *model, enum kind kind,
                                       const struct call *call, struct reply *reply)
{
    struct condition *condition = bytes_equal(call->arguments[0], BYTES("Field"))
                                      ? api_find(model, kind, call->arguments[1])
                                      : NULL;

    if (condition == NULL)
        reply_error(reply, "No condition with supplied ID");
    return condition;
}

static void put_any_condition(struct model *model, const struct call *call, struct reply *reply,
                              enum kind kind)
{
    struct condition *condition = api_condition(model, kind, call, reply);
    struct condition_body body;

    if (condition == NULL)
        return;
    if (!condition_body_read(call, condition->rule->selection->table, &body)) {
        reply_error(reply, "Invalid data provided");
        return;
    }
    condition_apply(call, &body, condition);
    selection_rebuild(model, condition->rule->selection);
    reply_updated(reply, call);
}

static void put_condition(struct model *model, const struct call *call, struct reply *reply)
{
    put_any_condition(model, call, reply, KIND_CONDITION);
}

static void put_minicondition(struct model *model, const struct call *call, struct reply *reply)
{
    put_any_condition(model, call, reply, KIND_MINICONDITION);
}

static void delete_any_condition(struct model *model, const struct call *call, struct reply *reply,
                                 enum kind kind)
{
    struct condition *condition = api_condition(model, kind, call, reply);

    if (condition == NULL)
        return;
    const uint32_t id = condition->id;
    condition_destroy(model, condition);
    reply_deleted(reply, call, kind, id);
}

static void delete_condition(struct model *model, const struct call *call, struct reply *reply)
{
    delete_any_condition(model, call, reply, KIND_CONDITION);
}

static void delete_minicondition(struct model *model, const struct call *call, struct reply *reply)
{
    delete_any_condition(model, call, reply, KIND_MINICONDITION);
}

static const struct endpoint endpoints[] = {
    {METHOD_GET, "/view/{view}/rules", IN_ALL, ENDPOINT_LIST, get_view_rules},
    {METHOD_POST, "/view/{view}/rules", IN_ALL, ENDPOINT_LIST, post_view_rules},
    {METHOD_GET, "/view/{view}/rule/{rule}", IN_ALL, ENDPOINT_ENTITY, get_view_rule},
    {METHOD_GET, "/rule/{rule}", IN_ALL, ENDPOINT_ENTITY, get_rule},
    {METHOD_GET, "/rule/{rule}/conditions", IN_V1, ENDPOINT_LIST, get_rule},
    {METHOD_PUT, "/rule/{rule}", IN_ALL, ENDPOINT_ENTITY, put_rule},
    {METHOD_DELETE, "/rule/{rule}", IN_ALL, ENDPOINT_ENTITY, delete_rule},
    {METHOD_POST, "/rule/{rule}/conditions", IN_ALL, ENDPOINT_LIST, post_condition},
    {METHOD_PUT, "/condition/{type}/{condition}", IN_ALL, ENDPOINT_ENTITY, put_condition},
    {METHOD_DELETE, "/condition/{type}/{condition}", SINCE_V2, ENDPOINT_ENTITY, delete_condition},
    {METHOD_GET, "/miniview/{miniview}/rules", IN_ALL, ENDPOINT_LIST, get_miniview_rules},
    {METHOD_POST, "/miniview/{miniview}/rules", IN_ALL, ENDPOINT_LIST, post_miniview_rules},
    {METHOD_GET, "/miniview/{miniview}/minirules", SINCE_V2, ENDPOINT_LIST, get_miniview_rules},
    {METHOD_POST, "/miniview/{miniview}/minirules", IN_ALL, ENDPOINT_LIST, post_miniview_rules},
    {METHOD_GET, "/miniview/{miniview}/minirule/{minirule}", IN_ALL, ENDPOINT_ENTITY,
     get_miniview_rule},
    {METHOD_GET, "/miniview/{miniview}/rule/{minirule}", IN_V1, ENDPOINT_ENTITY, get_miniview_rule},
    {METHOD_GET, "/minirule/{minirule}", IN_ALL, ENDPOINT_ENTITY, get_minirule},
    {METHOD_PUT, "/minirule/{minirule}", IN_ALL, ENDPOINT_ENTITY, put_minirule},
    {METHOD_DELETE, "/minirule/{minirule}", IN_ALL, ENDPOINT_ENTITY, delete_minirule},
    {METHOD_POST, "/minirule/{minirule}/conditions", IN_ALL, ENDPOINT_LIST, post_minicondition},
    {METHOD_PUT, "/minicondition/{type}/{minicondition}", SINCE_V3, ENDPOINT_ENTITY,
     put_minicondition},
    {METHOD_DELETE, "/minicondition/{type}/{minicondition}", SINCE_V2, ENDPOINT_ENTITY,
     delete_minicondition},
};

const struct endpoint_table rule_endpoints = {endpoints, ARRAY_LENGTH(endpoints)};
