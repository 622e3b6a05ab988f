/*
 * `postern client`: the clients of a configuration, whose text stays as its author wrote it. A key
 * is made here, printed once, and kept nowhere: the configuration gets its hash.
 */
#include <cJSON.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "access/clients.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/secret.h"
#include "cli/cli.h"
#include "cli/client_list.h"
#include "cli/editing.h"
#include "config/edit.h"
#include "config/read.h"
#include "config/reader.h"

enum { KEY_BYTES = 32, KEY_PREFIX_LENGTH = 4, KEY_LENGTH = KEY_PREFIX_LENGTH + 2 * KEY_BYTES };

static const char usage[] =
    "usage: postern client add NAME [OPTIONS]       makes a client and its key\n"
    "       postern client list [--json]            the clients, without keys\n"
    "       postern client disable NAME             its keys are as unknown ones\n"
    "       postern client enable NAME\n"
    "       postern client rotate NAME [--overlap DURATION] [--key-until TIME]\n"
    "                                               makes another key; the present one stays\n"
    "                                               valid for the overlap, 24h without\n"
    "                                               it; one that was before it ends at once\n"
    "       postern client remove NAME\n"
    "\n"
    "A key is printed once on standard output; the configuration gets its SHA-256. The rest of\n"
    "the file stays as it is, comments too. Changes count once a running gate gets kill -HUP.\n"
    "Exit code 0: done. 1: not done. 2: wrong usage or configuration.\n"
    "\n"
    "  --config FILE      the configuration; without it $POSTERN_CONFIG, ./conf/postern.json\n"
    "                     or /etc/postern/postern.json\n"
    "\n"
    "of add:\n"
    "  --upstream NAME    the API it may use, where there are several\n"
    "  --allow RULE       what it may do, such as \"GET /**\"; may be given several times;\n"
    "                     without it everything\n"
    "  --deny RULE        what it may not, whatever --allow says; several times, too\n"
    "  --per-second N     requests a second, on average\n"
    "  --burst N          requests that may come at once\n"
    "  --per-day N        requests a day\n"
    "  --priority P       interactive, or batch: behind others when calls wait\n"
    "  --weight N         its share beside others that wait, 1 to 1000\n"
    "  --key-until TIME   when its key ends: 2027-01-31T12:00:00Z\n";

/* What was asked for. */
struct wish {
    const char *name;
    const char *config; /* NULL: not said */
    cJSON *members;     /* of the client, as options said them; in their order */
    int64_t overlap_us;
    bool json;
};

/* --- keys --- */

/* "pst_" and 64 hexadecimal digits, and a line end. */
static void key_make(char *key)
{
    uint8_t random[KEY_BYTES];

    secret_random(random, sizeof(random));
    memcpy(key, "pst_", KEY_PREFIX_LENGTH);
    bytes_to_hex(bytes_of(random, sizeof(random)), key + KEY_PREFIX_LENGTH);
    key[KEY_LENGTH] = '\n';
    secret_wipe(random, sizeof(random));
}

struct new_key {
    char text[KEY_LENGTH + 1]; /* to be wiped */
    char sha256[2 * CLIENT_KEY_HASH_BYTES + 1];
};

static int new_key_make(struct new_key *key)
{
    uint8_t hash[CLIENT_KEY_HASH_BYTES];

    key_make(key->text);
    if (client_key_hash(bytes_of(key->text, KEY_LENGTH), hash) != RESULT_OK)
        return editing_say(CLI_FAILED, "OpenSSL has no SHA-256");
    bytes_to_hex(bytes_of(hash, sizeof(hash)), key->sha256);
    return CLI_DONE;
}

/* Not by stdio, whose buffer would keep it. */
static bool new_key_print(const struct new_key *key)
{
    struct bytes left = bytes_of(key->text, sizeof(key->text));

    while (left.length > 0) {
        const ssize_t written = write(STDOUT_FILENO, left.data, left.length);

        if (written == -1 && errno != EINTR)
            return false;
        if (written > 0)
            left = bytes_from(left, (size_t)written);
    }
    return true;
}

/* Replaces the file and shows the key. */
static int new_key_hand_over(const struct new_key *key, struct editing *editing,
                             const struct wish *wish, const char *done)
{
    const int code = editing_replace(editing);

    if (code != CLI_DONE)
        return code;
    if (!new_key_print(key))
        return editing_say(CLI_FAILED,
                           "%s \"%s\" in %s, but its key could not be printed: rotate it", done,
                           wish->name, editing->path);
    return editing_say(CLI_DONE,
                       "%s \"%s\" in %s; the key above is kept nowhere else; kill -HUP tells a "
                       "running gate",
                       done, wish->name, editing->path);
}

/* --- the client in the text --- */

static const cJSON *client_find(const struct editing *editing, const char *name)
{
    const cJSON *client;

    cJSON_ArrayForEach(client, reader_member(editing->source.root, "clients"))
    {
        const cJSON *other = reader_member(client, "name");

        if (cJSON_IsString(other) && strcmp(other->valuestring, name) == 0)
            return client;
    }
    return NULL;
}

/* The client that is to be changed; NULL, and *code, where there is none. */
static const cJSON *client_of(const struct editing *editing, const char *name, int *code)
{
    const cJSON *client = client_find(editing, name);

    if (client == NULL)
        *code = editing_say(CLI_FAILED,
                            "%s has no client \"%s\": `postern client list` shows those it has",
                            editing->path, name);
    return client;
}

/* A member's text, or NULL. */
static const char *member_text(const cJSON *client, const char *name)
{
    const cJSON *member = reader_member(client, name);

    return cJSON_IsString(member) ? member->valuestring : NULL;
}

/* A client's member gets this text or flag, or goes (NULL). Its place in the text is looked for
 * anew. */
static int client_set(struct editing *editing, const char *name, const char *member,
                      const cJSON *value)
{
    const cJSON *client = client_find(editing, name);
    const struct bytes text = buffer_bytes(&editing->text);
    enum result result;

    if (value == NULL) {
        const cJSON *old = reader_member(client, member);

        if (old == NULL)
            return CLI_DONE;
        result = edit_remove(&editing->source, text, old, &editing->next);
    } else {
        char *json = cJSON_PrintUnformatted(value);

        if (json == NULL)
            memory_exhausted();
        result = edit_set(&editing->source, text, client,
                          &(struct edit_member){member, bytes_of_string(json)}, &editing->next);
        cJSON_free(json);
    }
    return editing_step(editing, result);
}

static int client_set_text(struct editing *editing, const char *name, const char *member,
                           const char *text)
{
    cJSON *value = text == NULL ? NULL : cJSON_CreateString(text);
    const int code = client_set(editing, name, member, value);

    cJSON_Delete(value);
    return code;
}

/* --- the commands --- */

static int client_add(const struct wish *wish, struct editing *editing)
{
    struct new_key key;
    int code;

    if (client_find(editing, wish->name) != NULL)
        return editing_say(CLI_FAILED,
                           "%s has a client \"%s\" already: choose another name, or take it "
                           "out first",
                           editing->path, wish->name);
    if ((code = new_key_make(&key)) != CLI_DONE)
        return code;
    cJSON *client = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(client, "name", wish->name); /* the printing asks for all */
    (void)cJSON_AddStringToObject(client, "key_sha256", key.sha256);
    for (const cJSON *member = wish->members->child; member != NULL; member = member->next)
        (void)cJSON_AddItemReferenceToObject(client, member->string, (cJSON *)member);
    char *line = cJSON_PrintUnformatted(client);
    cJSON_Delete(client);
    if (line == NULL)
        memory_exhausted();
    code = editing_step(editing, edit_add_client(&editing->source, buffer_bytes(&editing->text),
                                                 bytes_of_string(line), &editing->next));
    cJSON_free(line);
    if (code == CLI_DONE)
        code = new_key_hand_over(&key, editing, wish, "added");
    secret_wipe(&key, sizeof(key));
    return code;
}

static int client_replace(struct editing *editing, const struct wish *wish, const char *done)
{
    const int code = editing_replace(editing);

    if (code != CLI_DONE)
        return code;
    return editing_say(CLI_DONE, "%s \"%s\" in %s; kill -HUP tells a running gate", done,
                       wish->name, editing->path);
}

static int client_disable(const struct wish *wish, struct editing *editing)
{
    int code = CLI_DONE;
    const cJSON *client = client_of(editing, wish->name, &code);
    cJSON yes = {.type = cJSON_True};

    if (client == NULL)
        return code;
    if (cJSON_IsTrue(reader_member(client, "disabled")))
        return editing_say(CLI_DONE, "\"%s\" is disabled already", wish->name);
    code = client_set(editing, wish->name, "disabled", &yes);
    return code == CLI_DONE ? client_replace(editing, wish, "disabled") : code;
}

static int client_enable(const struct wish *wish, struct editing *editing)
{
    int code = CLI_DONE;
    const cJSON *client = client_of(editing, wish->name, &code);

    if (client == NULL)
        return code;
    if (!cJSON_IsTrue(reader_member(client, "disabled")))
        return editing_say(CLI_DONE, "\"%s\" is enabled already", wish->name);
    code = client_set(editing, wish->name, "disabled", NULL);
    return code == CLI_DONE ? client_replace(editing, wish, "enabled") : code;
}

/* When the present key ends: after the overlap, or when it would have ended anyway. */
static void rotated_until(const cJSON *client, int64_t overlap_us, char *text)
{
    const char *said = member_text(client, "key_until");
    int64_t until_us = clock_wall_us() + overlap_us, said_us;

    if (said != NULL && clock_parse_rfc3339(bytes_of_string(said), &said_us) == RESULT_OK &&
        said_us < until_us)
        until_us = said_us;
    clock_format_seconds(until_us, text);
}

/* The present key becomes the previous one; a previous one goes. */
static int client_rotate_keys(const struct wish *wish, struct editing *editing, const cJSON *client,
                              const char *sha256)
{
    char until[CLOCK_RFC3339_ROOM], *old = memory_string(member_text(client, "key_sha256"));
    const bool keeps = wish->overlap_us > 0;

    rotated_until(client, wish->overlap_us, until);
    int code = client_set_text(editing, wish->name, "key_sha256", sha256);
    if (code == CLI_DONE)
        code =
            client_set(editing, wish->name, "key_until", reader_member(wish->members, "key_until"));
    if (code == CLI_DONE)
        code = client_set_text(editing, wish->name, "previous_key_sha256", keeps ? old : NULL);
    if (code == CLI_DONE)
        code = client_set_text(editing, wish->name, "previous_key_until", keeps ? until : NULL);
    free(old);
    if (code == CLI_DONE && keeps)
        (void)editing_say(0, "the key that \"%s\" has now is valid until %s", wish->name, until);
    return code;
}

static int client_rotate(const struct wish *wish, struct editing *editing)
{
    struct new_key key;
    int code = CLI_DONE;
    const cJSON *client = client_of(editing, wish->name, &code);

    if (client == NULL)
        return code;
    if (member_text(client, "key_sha256") == NULL)
        return editing_say(CLI_WRONG, "\"%s\" of %s has no \"key_sha256\": check the configuration",
                           wish->name, editing->path);
    if ((code = new_key_make(&key)) != CLI_DONE)
        return code;
    code = client_rotate_keys(wish, editing, client, key.sha256);
    if (code == CLI_DONE)
        code = new_key_hand_over(&key, editing, wish, "rotated");
    secret_wipe(&key, sizeof(key));
    return code;
}

/* Without clients everybody on the loopback is let in: not by this command. */
static int client_remove(const struct wish *wish, struct editing *editing)
{
    int code = CLI_DONE;
    const cJSON *client = client_of(editing, wish->name, &code);

    if (client == NULL)
        return code;
    if (cJSON_GetArraySize(reader_member(editing->source.root, "clients")) == 1)
        return editing_say(CLI_FAILED,
                           "\"%s\" is the last client, and without clients the loopback needs no "
                           "key: disable it, or take it out of %s by hand",
                           wish->name, editing->path);
    code = editing_step(editing, edit_remove(&editing->source, buffer_bytes(&editing->text), client,
                                             &editing->next));
    return code == CLI_DONE ? client_replace(editing, wish, "removed") : code;
}

/* --- the command line --- */

enum verb { ADD = 1, LIST = 2, DISABLE = 4, ENABLE = 8, ROTATE = 16, REMOVE = 32 };

static const struct command {
    const char *name;
    enum verb verb;
    int (*run)(const struct wish *wish, struct editing *editing); /* NULL: changes nothing */
} commands[] = {
    {"add", ADD, client_add},
    {"list", LIST, NULL},
    {"disable", DISABLE, client_disable},
    {"enable", ENABLE, client_enable},
    {"rotate", ROTATE, client_rotate},
    {"remove", REMOVE, client_remove},
};

/* Options in the order of getopt_long's table: who takes them, and which member of the client they
 * say. */
enum kind { KIND_OTHER, KIND_TEXT, KIND_LIST, KIND_NUMBER, KIND_QUOTA };

static const struct known_option {
    const char *name, *member;
    enum kind kind;
    unsigned verbs;
} known[] = {
    {"config", NULL, KIND_OTHER, ~0U},        {"json", NULL, KIND_OTHER, LIST},
    {"overlap", NULL, KIND_OTHER, ROTATE},    {"key-until", "key_until", KIND_TEXT, ADD | ROTATE},
    {"upstream", "upstream", KIND_TEXT, ADD}, {"allow", "allow", KIND_LIST, ADD},
    {"deny", "deny", KIND_LIST, ADD},         {"per-second", "per_second", KIND_QUOTA, ADD},
    {"burst", "burst", KIND_QUOTA, ADD},      {"per-day", "per_day", KIND_QUOTA, ADD},
    {"priority", "priority", KIND_TEXT, ADD}, {"weight", "weight", KIND_NUMBER, ADD},
};

/* The array or object of that name, made where it is not there. */
static cJSON *members_of(cJSON *members, const char *name, cJSON *(*create)(void))
{
    cJSON *inner = cJSON_GetObjectItemCaseSensitive(members, name);

    if (inner == NULL) {
        inner = create();
        if (!cJSON_AddItemToObject(members, name, inner))
            memory_exhausted();
    }
    return inner;
}

/* Says the client's member; its value is checked with the configuration. */
static int wish_say(struct wish *wish, const struct known_option *option, const char *value)
{
    const bool is_number = option->kind == KIND_NUMBER || option->kind == KIND_QUOTA;
    cJSON *item = is_number ? cJSON_ParseWithOpts(value, NULL, true) : cJSON_CreateString(value),
          *into;
    bool added;

    if (is_number && !cJSON_IsNumber(item)) {
        cJSON_Delete(item);
        return editing_say(CLI_WRONG, "--%s expects a number", option->name);
    }
    into = option->kind == KIND_QUOTA ? members_of(wish->members, "quota", cJSON_CreateObject)
                                      : wish->members;
    if (option->kind == KIND_LIST) {
        added = cJSON_AddItemToArray(members_of(into, option->member, cJSON_CreateArray), item);
    } else {
        cJSON_DeleteItemFromObjectCaseSensitive(into, option->member); /* the last one counts */
        added = cJSON_AddItemToObject(into, option->member, item);
    }
    if (!added)
        memory_exhausted();
    return CLI_DONE;
}

static int wish_take(struct wish *wish, const struct known_option *option, const char *value)
{
    if (option->kind != KIND_OTHER)
        return wish_say(wish, option, value);
    if (strcmp(option->name, "config") == 0)
        wish->config = value;
    else if (strcmp(option->name, "json") == 0)
        wish->json = true;
    else if (duration_read(bytes_of_string(value), &wish->overlap_us) != RESULT_OK)
        return editing_say(CLI_WRONG, "--overlap expects a duration such as 24h or 7d, or 0s");
    return CLI_DONE;
}

static const struct command *command_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
        if (name != NULL && strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/* CLI_DONE, or the exit code. *command NULL: the usage was printed. */
static int wish_read(struct wish *wish, int argc, char **argv, const struct command **command)
{
    struct option options[ARRAY_LENGTH(known) + 2] = {{"help", no_argument, NULL, 'h'}};
    unsigned said = ~0U;
    int option, index, code = CLI_DONE;

    for (size_t i = 0; i < ARRAY_LENGTH(known); i++)
        options[i + 1] = (struct option){
            known[i].name, strcmp(known[i].name, "json") == 0 ? no_argument : required_argument,
            NULL, 'o'};
    *command = NULL;
    while ((option = getopt_long(argc, argv, "", options, &index)) != -1) {
        if (option == 'h')
            return fputs(usage, stdout) == EOF ? CLI_FAILED : CLI_DONE;
        if (option != 'o')
            return CLI_WRONG; /* getopt_long said why */
        said &= known[index - 1].verbs;
        if ((code = wish_take(wish, &known[index - 1], optarg)) != CLI_DONE)
            return code;
    }
    const struct command *found = command_of(argv[optind]);
    const int names = found != NULL && found->verb == LIST ? 0 : 1;
    if (found == NULL || argc - optind != 1 + names)
        return editing_say(CLI_WRONG,
                           "expects add, list, disable, enable, rotate or remove%s: see "
                           "--help",
                           found == NULL || names == 0 ? "" : ", and one name");
    if ((said & found->verb) == 0)
        return editing_say(CLI_WRONG, "%s does not take one of these options: see --help",
                           found->name);
    wish->name = argv[optind + names];
    *command = found;
    return CLI_DONE;
}

int cli_client(int argc, char **argv)
{
    struct wish wish = {.members = cJSON_CreateObject(), .overlap_us = 86400 * CLOCK_SECOND_US};
    const struct command *command;
    struct editing editing;
    int code = wish_read(&wish, argc, argv, &command);

    if (command != NULL && command->run == NULL) {
        code = client_list_print(wish.config, wish.json);
    } else if (command != NULL) {
        code = editing_open(&editing, wish.config);
        if (code == CLI_DONE)
            code = command->run(&wish, &editing);
        editing_finish(&editing);
    }
    cJSON_Delete(wish.members);
    return code;
}
