/* Values come from short lists by the model's own generator. Addresses are at example.org (RFC
 * 2606). */
#include "sandbox/seed.h"

#include <assert.h>
#include <stdio.h>

#include "sandbox/profile.h"
#include "sandbox/selection.h"
#include "sandbox/table.h"

enum {
    SEED_EMAIL_ROOM = 96,
    SEED_SPAN_S = 2 * 365 * 24 * 3600,
    SEED_SUBPROFILES_EVERY = 3, /* each third profile has some */
};

static const int64_t seed_begin_s = 1617354611; /* 2021-04-02 11:10:11 in Amsterdam */

static const char *const given_names[] = {"Anna",  "Bram", "Chris", "Daan",  "Emma",  "Femke",
                                          "Gijs",  "Hugo", "Iris",  "Jan",   "Karin", "Lotte",
                                          "Maria", "Nora", "Oscar", "Pieter"};
static const char *const family_names[] = {"Bakker", "Visser", "Smit",   "Meijer", "Mulder",
                                           "Bos",    "Vos",    "Peters", "Dekker", "Brouwer"};
static const char *const cities[] = {"Amsterdam", "Utrecht", "Gent", "Antwerpen",
                                     "Berlin",    "Hamburg", "Lyon", "Paris"};
static const char *const countries[] = {"NL", "NL", "BE", "BE", "DE", "DE", "FR", "FR"};

struct seed_field {
    const char *name, *type, *value;
};

static const struct seed_field customer_fields[] = {
    {"email", "email", ""},      {"firstname", "text", ""}, {"lastname", "text", ""},
    {"city", "text", ""},        {"country", "text", "NL"}, {"age", "integer", "0"},
    {"newsletter", "text", "no"}};
static const struct seed_field newsletter_fields[] = {{"email", "email", ""},
                                                      {"firstname", "text", ""},
                                                      {"country", "text", "NL"},
                                                      {"newsletter", "text", "yes"}};
static const struct seed_field event_fields[] = {{"email", "email", ""},
                                                 {"firstname", "text", ""},
                                                 {"city", "text", ""},
                                                 {"age", "integer", "0"},
                                                 {"seats", "integer", "1"}};
static const struct seed_field collection_fields[] = {
    {"order", "text", ""}, {"amount", "integer", "0"}, {"status", "text", "open"}};

struct seed_database {
    const char *name, *description;
    const struct seed_field *fields;
    size_t field_count;
    size_t profile_count;
    const char *collections[2];
};

static const struct seed_database seeds[] = {
    {"Customers",
     "Everybody who bought something",
     customer_fields,
     ARRAY_LENGTH(customer_fields),
     300,
     {"Orders", "Complaints"}},
    {"Newsletter",
     "",
     newsletter_fields,
     ARRAY_LENGTH(newsletter_fields),
     250,
     {"Issues", "Surveys"}},
    {"Events", "", event_fields, ARRAY_LENGTH(event_fields), 200, {"Visits", "Talks"}},
};

static size_t pick(struct model *model, size_t count)
{
    return (size_t)(model_random(model) % count);
}

static void add_fields(struct model *model, struct table *table, const struct seed_field *fields,
                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct field_definition *field =
            table_add_field(model, table, bytes_of_string(fields[i].name),
                            bytes_of_string(fields[i].type), bytes_of_string(fields[i].value));

        field->indexed = i == 0;
        if (i == 0)
            string_set(&field->length, BYTES("160"));
    }
}

/* Sets a field by name, where the table has it. */
static void set_value(struct model *model, struct profile *profile, const char *name,
                      const char *value)
{
    const size_t index = table_field_index(profile->table, bytes_of_string(name));

    if (index < profile->table->fields.count)
        profile_set_value(model, profile, index, bytes_of_string(value));
}

static void set_number(struct model *model, struct profile *profile, const char *name,
                       size_t number)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%zu", number);
    set_value(model, profile, name, text);
}

static void fill_profile(struct model *model, struct profile *profile)
{
    const char *given = given_names[pick(model, ARRAY_LENGTH(given_names))];
    const char *family = family_names[pick(model, ARRAY_LENGTH(family_names))];
    const size_t city = pick(model, ARRAY_LENGTH(cities));
    char email[SEED_EMAIL_ROOM];

    (void)snprintf(email, sizeof(email), "%s.%s.%u@example.org", given, family, profile->id);
    for (char *at = email; *at != '\0'; at++)
        *at = bytes_lower(*at);
    set_value(model, profile, "email", email);
    set_value(model, profile, "firstname", given);
    set_value(model, profile, "lastname", family);
    set_value(model, profile, "city", cities[city]);
    set_value(model, profile, "country", countries[city]);
    set_number(model, profile, "age", 18 + pick(model, 70));
    set_number(model, profile, "seats", 1 + pick(model, 4));
    set_value(model, profile, "newsletter", pick(model, 2) == 0 ? "no" : "yes");
}

static void set_times(struct model *model, struct profile *profile)
{
    const size_t age_s = pick(model, SEED_SPAN_S);

    profile->created_s = seed_begin_s + (int64_t)(age_s / 2);
    profile->modified_s = seed_begin_s + (int64_t)age_s;
}

static void add_subprofiles(struct model *model, struct table *collection, struct profile *owner)
{
    static const char *const states[] = {"open", "paid", "sent"};

    for (size_t i = 1 + pick(model, 3); i > 0; i--) {
        struct profile *subprofile;
        char order[24];

        if (profile_create(model, collection, owner, &subprofile) != RESULT_OK)
            return;
        (void)snprintf(order, sizeof(order), "A-%u", subprofile->id);
        set_value(model, subprofile, "order", order);
        set_number(model, subprofile, "amount", 1 + pick(model, 500));
        set_value(model, subprofile, "status", states[pick(model, ARRAY_LENGTH(states))]);
        set_times(model, subprofile);
    }
}

static void add_profiles(struct model *model, struct table *database, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct profile *profile;

        if (profile_create(model, database, NULL, &profile) != RESULT_OK)
            return;
        fill_profile(model, profile);
        for (size_t j = 0; j < database->interests.count; j++)
            profile_switch_interest(model, profile, database->interests.items[j],
                                    pick(model, 3) == 0);
        set_times(model, profile);
        if (i % SEED_SUBPROFILES_EVERY == 0)
            for (size_t j = 0; j < database->collections.count; j++)
                add_subprofiles(model, database->collections.items[j], profile);
    }
}

/* A selection with one rule of one condition. */
static struct selection *add_selection(struct model *model, struct table *table,
                                       struct selection *parent, const char *name,
                                       const struct condition *wanted)
{
    struct selection *selection;

    if (selection_create(model, table, parent, bytes_of_string(name), &selection) != RESULT_OK)
        return NULL;
    struct condition *condition =
        condition_create(model, rule_create(model, selection, bytes_of_string(name)));
    condition->comparison = wanted->comparison;
    condition->field_id = wanted->field_id;
    condition->is_numeric = wanted->is_numeric;
    string_set(&condition->value, bytes_of_string(wanted->value));
    return selection;
}

static uint32_t field_id(const struct table *table, const char *name)
{
    const size_t index = table_field_index(table, bytes_of_string(name));

    return index < table->fields.count ? table_field(table, index)->id : 0;
}

static struct condition wanted(const struct table *table, const char *field,
                               enum comparison comparison, char *value)
{
    return (struct condition){.field_id = field_id(table, field),
                              .comparison = comparison,
                              .value = value,
                              .is_numeric =
                                  comparison == COMPARISON_MORE || comparison == COMPARISON_LESS};
}

static void add_views(struct model *model, struct table *database)
{
    char yes[] = "yes", nl[] = "NL", amsterdam[] = "Amsterdam", anna[] = "a", forty[] = "40";
    const bool has_letter = field_id(database, "newsletter") != 0;
    const bool has_country = field_id(database, "country") != 0;
    const struct condition first = has_letter
                                       ? wanted(database, "newsletter", COMPARISON_EQUALS, yes)
                                       : wanted(database, "age", COMPARISON_MORE, forty);
    const struct condition second = has_country
                                        ? wanted(database, "country", COMPARISON_EQUALS, nl)
                                        : wanted(database, "city", COMPARISON_EQUALS, amsterdam);
    const struct condition third = wanted(database, "firstname", COMPARISON_CONTAINS, anna);
    struct selection *top =
        add_selection(model, database, NULL, has_letter ? "Opted in" : "Over forty", &first);

    (void)add_selection(model, database, NULL, has_country ? "Dutch" : "Local", &second);
    (void)add_selection(model, database, top, "With an a", &third);
}

static void add_database(struct model *model, const struct seed_database *seed, size_t profiles)
{
    static const char *const interests[][2] = {
        {"cycling", "sports"}, {"running", "sports"}, {"cooking", "home"}};
    char hundred[] = "100";
    struct table *database = table_create(model, NULL, bytes_of_string(seed->name));

    string_set(&database->description, bytes_of_string(seed->description));
    add_fields(model, database, seed->fields, seed->field_count);
    for (size_t i = 0; i < ARRAY_LENGTH(interests); i++)
        (void)table_add_interest(model, database, bytes_of_string(interests[i][0]),
                                 bytes_of_string(interests[i][1])); /* found by the database */
    for (size_t i = 0; i < ARRAY_LENGTH(seed->collections); i++) {
        struct table *collection =
            table_create(model, database, bytes_of_string(seed->collections[i]));

        add_fields(model, collection, collection_fields, ARRAY_LENGTH(collection_fields));
        const struct condition big = wanted(collection, "amount", COMPARISON_MORE, hundred);
        (void)add_selection(model, collection, NULL, "Large", &big);
    }
    add_profiles(model, database, profiles);
    add_views(model, database);
}

void seed_fill(struct model *model, size_t profiles)
{
    const int64_t now_us = model->now_us, wall_s = model->wall_s, lag_us = model->view_lag_us;

    assert(model->databases.count == 0);
    model_set_time(model, 1, seed_begin_s * INT64_C(1000000));
    model->view_lag_us = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(seeds); i++)
        add_database(model, &seeds[i], profiles == 0 ? seeds[i].profile_count : profiles);
    for (size_t i = 0; i < model->databases.count; i++)
        selection_settle_database(model, model->databases.items[i]);
    model->now_us = now_us;
    model->wall_s = wall_s;
    model->view_lag_us = lag_us;
}
