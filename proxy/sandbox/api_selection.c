/* Calls on views and miniviews. Every reading settles first what is due. */
#include "sandbox/api.h"

#include "sandbox/copy.h"
#include "sandbox/selection.h"

static struct selection *settled(struct model *model, struct selection *selection)
{
    if (selection != NULL)
        selection_settle(model, selection->table);
    return selection;
}

static void get_selection(struct reply *reply, const struct selection *selection)
{
    if (selection != NULL)
        reply_json(reply, shape_selection(selection));
}

static void get_view(struct model *model, const struct call *call, struct reply *reply)
{
    get_selection(reply, settled(model, api_selection(model, KIND_VIEW, call, reply)));
}

static void get_miniview(struct model *model, const struct call *call, struct reply *reply)
{
    get_selection(reply, settled(model, api_selection(model, KIND_MINIVIEW, call, reply)));
}

/* Those right below `parent`, or the table's own where it is NULL. */
static void list_selections(struct model *model, const struct call *call, struct reply *reply,
                            struct table *table, const struct selection *parent)
{
    struct pointers found = {0};

    selection_settle(model, table);
    for (size_t i = 0; i < table->selections.count; i++) {
        struct selection *selection = table->selections.items[i];

        if (selection->parent == parent)
            pointers_add(&found, selection);
    }
    reply_list(reply, call, &found, shape_selection);
    pointers_finish(&found);
}

static void get_database_views(struct model *model, const struct call *call, struct reply *reply)
{
    struct table *database = api_database(model, call, reply);

    if (database != NULL)
        list_selections(model, call, reply, database, NULL);
}

static void get_collection_miniviews(struct model *model, const struct call *call,
                                     struct reply *reply)
{
    struct table *collection = api_collection(model, call, reply);

    if (collection != NULL)
        list_selections(model, call, reply, collection, NULL);
}

static void get_view_views(struct model *model, const struct call *call, struct reply *reply)
{
    const struct selection *view = api_selection(model, KIND_VIEW, call, reply);

    if (view != NULL)
        list_selections(model, call, reply, view->table, view);
}

/* No condition of the sandbox looks at a miniview: no view refers to one. */
static void get_miniview_views(struct model *model, const struct call *call, struct reply *reply)
{
    const struct pointers none = {0};

    if (api_selection(model, KIND_MINIVIEW, call, reply) != NULL)
        reply_list(reply, call, &none, shape_selection);
}

/* parent-type and parent-id of the body, where they name a view or miniview of the same table. */
static enum result body_parent(const struct model *model, const struct call *call,
                               const struct table *table, struct selection **parent)
{
    const enum kind kind = table->kind == KIND_DATABASE ? KIND_VIEW : KIND_MINIVIEW;
    struct selection *found;

    if (!bytes_equal(api_body_text(call, "parent-type"), bytes_of_string(kind_name(kind)))) {
        *parent = NULL;
        return RESULT_OK;
    }
    found = api_find(model, kind, api_body_text(call, "parent-id"));
    if (found == NULL || found->table != table)
        return RESULT_MISSING;
    *parent = found;
    return RESULT_OK;
}

static void post_selection(struct model *model, const struct call *call, struct reply *reply,
                           struct table *table, struct selection *parent)
{
    const struct bytes name = api_body_text(call, "name");
    struct selection *selection;

    if (name.length == 0 ||
        (parent == NULL && body_parent(model, call, table, &parent) != RESULT_OK) ||
        selection_create(model, table, parent, name, &selection) != RESULT_OK) {
        reply_error(reply, "Invalid data provided");
        return;
    }
    api_take_string(call, "description", &selection->description);
    reply_created(reply, call, selection->kind, selection->id);
}

static void post_database_views(struct model *model, const struct call *call, struct reply *reply)
{
    struct table *database = api_database(model, call, reply);

    if (database != NULL)
        post_selection(model, call, reply, database, NULL);
}

static void post_collection_miniviews(struct model *model, const struct call *call,
                                      struct reply *reply)
{
    struct table *collection = api_collection(model, call, reply);

    if (collection != NULL)
        post_selection(model, call, reply, collection, NULL);
}

static void post_view_views(struct model *model, const struct call *call, struct reply *reply)
{
    struct selection *view = api_selection(model, KIND_VIEW, call, reply);

    if (view != NULL)
        post_selection(model, call, reply, view->table, view);
}

static void post_view_copy(struct model *model, const struct call *call, struct reply *reply)
{
    const struct selection *view = api_selection(model, KIND_VIEW, call, reply);
    const struct bytes name = api_body_text(call, "name");
    struct selection *copy;

    if (view == NULL)
        return;
    if (name.length == 0 || copy_selection(model, view, name, &copy) != RESULT_OK)
        reply_error(reply, "Invalid data provided");
    else
        reply_created(reply, call, KIND_VIEW, copy->id);
}

static void put_selection(struct model *model, const struct call *call, struct reply *reply,
                          struct selection *selection)
{
    struct selection *parent = NULL;

    if (selection == NULL)
        return;
    if (call->is_body_bad || (call_member(call, "parent-type") != NULL &&
                              (body_parent(model, call, selection->table, &parent) != RESULT_OK ||
                               selection_move(model, selection, parent) != RESULT_OK))) {
        reply_error(reply, "Invalid data provided");
        return;
    }
    api_take_string(call, "name", &selection->name);
    api_take_string(call, "description", &selection->description);
    reply_updated(reply, call);
}

static void put_view(struct model *model, const struct call *call, struct reply *reply)
{
    put_selection(model, call, reply, api_selection(model, KIND_VIEW, call, reply));
}

static void put_miniview(struct model *model, const struct call *call, struct reply *reply)
{
    put_selection(model, call, reply, api_selection(model, KIND_MINIVIEW, call, reply));
}

static void delete_selection(struct model *model, const struct call *call, struct reply *reply,
                             struct selection *selection)
{
    if (selection == NULL)
        return;
    const enum kind kind = selection->kind;
    const uint32_t id = selection->id;
    selection_destroy(model, selection);
    reply_deleted(reply, call, kind, id);
}

static void delete_view(struct model *model, const struct call *call, struct reply *reply)
{
    delete_selection(model, call, reply, api_selection(model, KIND_VIEW, call, reply));
}

static void delete_miniview(struct model *model, const struct call *call, struct reply *reply)
{
    delete_selection(model, call, reply, api_selection(model, KIND_MINIVIEW, call, reply));
}

static void list_members(struct model *model, const struct call *call, struct reply *reply,
                         enum kind kind, bool only_ids)
{
    const struct selection *selection = settled(model, api_selection(model, kind, call, reply));

    if (selection != NULL)
        reply_profiles(reply, call,
                       &(struct profile_list){.model = model,
                                              .table = selection->table,
                                              .source = &selection->members,
                                              .only_ids = only_ids});
}

static void get_view_profiles(struct model *model, const struct call *call, struct reply *reply)
{
    list_members(model, call, reply, KIND_VIEW, false);
}

static void get_view_profile_ids(struct model *model, const struct call *call, struct reply *reply)
{
    list_members(model, call, reply, KIND_VIEW, true);
}

static void get_miniview_subprofiles(struct model *model, const struct call *call,
                                     struct reply *reply)
{
    list_members(model, call, reply, KIND_MINIVIEW, false);
}

static void get_miniview_subprofile_ids(struct model *model, const struct call *call,
                                        struct reply *reply)
{
    list_members(model, call, reply, KIND_MINIVIEW, true);
}

static void put_selection_intentions(struct model *model, const struct call *call,
                                     struct reply *reply, enum kind kind)
{
    struct selection *selection = api_selection(model, kind, call, reply);

    if (selection == NULL || !api_body_is_readable(call, reply))
        return;
    api_take_intentions(call, &selection->intentions);
    reply_updated(reply, call);
}

static void put_view_intentions(struct model *model, const struct call *call, struct reply *reply)
{
    put_selection_intentions(model, call, reply, KIND_VIEW);
}

static void put_miniview_intentions(struct model *model, const struct call *call,
                                    struct reply *reply)
{
    put_selection_intentions(model, call, reply, KIND_MINIVIEW);
}

static void rebuild(struct model *model, const struct call *call, struct reply *reply,
                    enum kind kind)
{
    struct selection *selection = api_selection(model, kind, call, reply);

    if (selection == NULL)
        return;
    selection_rebuild(model, selection);
    reply_updated(reply, call);
}

static void rebuild_view(struct model *model, const struct call *call, struct reply *reply)
{
    rebuild(model, call, reply, KIND_VIEW);
}

static void rebuild_miniview(struct model *model, const struct call *call, struct reply *reply)
{
    rebuild(model, call, reply, KIND_MINIVIEW);
}

static const struct endpoint endpoints[] = {
    {METHOD_GET, "/database/{database}/views", IN_ALL, ENDPOINT_LIST, get_database_views},
    {METHOD_POST, "/database/{database}/views", IN_ALL, ENDPOINT_LIST, post_database_views},
    {METHOD_GET, "/collection/{collection}/miniviews", IN_ALL, ENDPOINT_LIST,
     get_collection_miniviews},
    {METHOD_POST, "/collection/{collection}/miniviews", IN_ALL, ENDPOINT_LIST,
     post_collection_miniviews},
    {METHOD_GET, "/view/{view}", IN_ALL, ENDPOINT_ENTITY, get_view},
    {METHOD_PUT, "/view/{view}", IN_ALL, ENDPOINT_ENTITY, put_view},
    {METHOD_DELETE, "/view/{view}", IN_ALL, ENDPOINT_ENTITY, delete_view},
    {METHOD_GET, "/view/{view}/views", IN_ALL, ENDPOINT_LIST, get_view_views},
    {METHOD_POST, "/view/{view}/views", IN_ALL, ENDPOINT_LIST, post_view_views},
    {METHOD_POST, "/view/{view}/copy", SINCE_V2, ENDPOINT_ENTITY, post_view_copy},
    {METHOD_GET, "/view/{view}/profiles", IN_ALL, ENDPOINT_LIST, get_view_profiles},
    {METHOD_GET, "/view/{view}/profileids", IN_ALL, ENDPOINT_LIST, get_view_profile_ids},
    {METHOD_PUT, "/view/{view}/intentions", SINCE_V2, ENDPOINT_ENTITY, put_view_intentions},
    {METHOD_PUT, "/view/{view}/rebuild", IN_V2, ENDPOINT_ENTITY, rebuild_view},
    {METHOD_POST, "/view/{view}/rebuild", SINCE_V2, ENDPOINT_ENTITY, rebuild_view},
    {METHOD_GET, "/miniview/{miniview}", IN_ALL, ENDPOINT_ENTITY, get_miniview},
    {METHOD_PUT, "/miniview/{miniview}", IN_ALL, ENDPOINT_ENTITY, put_miniview},
    {METHOD_DELETE, "/miniview/{miniview}", IN_ALL, ENDPOINT_ENTITY, delete_miniview},
    {METHOD_GET, "/miniview/{miniview}/views", SINCE_V2, ENDPOINT_LIST, get_miniview_views},
    {METHOD_GET, "/miniview/{miniview}/subprofiles", IN_ALL, ENDPOINT_LIST,
     get_miniview_subprofiles},
    {METHOD_GET, "/miniview/{miniview}/subprofileids", IN_ALL, ENDPOINT_LIST,
     get_miniview_subprofile_ids},
    {METHOD_PUT, "/miniview/{miniview}/intentions", SINCE_V2, ENDPOINT_ENTITY,
     put_miniview_intentions},
    {METHOD_PUT, "/miniview/{miniview}/rebuild", IN_V2, ENDPOINT_ENTITY, rebuild_miniview},
    {METHOD_POST, "/miniview/{miniview}/rebuild", SINCE_V3, ENDPOINT_ENTITY, rebuild_miniview},
};

const struct endpoint_table selection_endpoints = {endpoints, ARRAY_LENGTH(endpoints)};
