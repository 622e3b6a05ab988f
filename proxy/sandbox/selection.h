/*
 * Views and miniviews: which profiles they hold. A profile belongs to a selection when it belongs
 * to the parent and one of the rules that are not disabled holds (a rule: all its conditions; an
 * inversed rule: not all), or there is no such rule. Selections follow changes by
 * model->view_lag_us after them, never before; rules and requests to rebuild take effect and move
 * last-built by the same lag.
 */
#ifndef POSTERN_SANDBOX_SELECTION_H
#define POSTERN_SANDBOX_SELECTION_H

#include "sandbox/model.h"

/*
 * A new view or miniview of `table`, below `parent` where that is not NULL; asks for its first
 * build. Deeper than SELECTION_DEPTH_LIMIT: RESULT_LIMIT.
 */
MUST_USE enum result selection_create(struct model *model, struct table *table,
                                      struct selection *parent, struct bytes name,
                                      struct selection **selection);

/* With its rules and the selections below it. */
void selection_destroy(struct model *model, struct selection *selection);

/* Moves it below another parent, or to the top (NULL). Below itself or too deep: RESULT_REFUSED. */
MUST_USE enum result selection_move(struct model *model, struct selection *selection,
                                    struct selection *parent);

/* Asks for a build of it and of all below it; done view_lag_us later. */
void selection_rebuild(struct model *model, struct selection *selection);

/* The same for all of a table. */
void selection_rebuild_all(struct model *model, struct table *table);

/* Carries out what is due in the selections of the table. Comes before every reading of one. */
void selection_settle(struct model *model, struct table *table);

/* The same for a database and its collections. */
void selection_settle_database(struct model *model, struct table *database);

struct rule *rule_create(struct model *model, struct selection *selection, struct bytes name);
void rule_destroy(struct model *model, struct rule *rule);

struct condition *condition_create(struct model *model, struct rule *rule);
void condition_destroy(struct model *model, struct condition *condition);

#endif
