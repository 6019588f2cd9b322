"""Who may do what at which route: the reviewed table that the tests of this folder hold us to.

A row is a pattern as the URL resolver has it, with its methods: ``METHOD level; METHOD level``.

    open              nobody has to sign in
    anybody           the same, but a key that is sent must be a good one
    closed            404 for everybody, as long as nobody has switched it on
    signed-in         whoever is signed in; lists hold only what they may see
    viewer ... manager
                      this role on the thing. Without any role on it it is hidden (404, as if it did
                      not exist), with a lower one refused (403)
    scorer everywhere a group's role on everything; all others are refused
    scorer anywhere   the role on any one thing; all others are refused
    publisher or-refused
                      the role on the thing that a body names; who does not see it would make a new
                      one of that name, and is refused as for any other new name
    scorer granted    the role by a grant on the thing itself, or manager of everything
    manager or-hidden the role on the thing; hidden from who has a lower one too
    owner             whose it is, and a manager of everything; hidden from all others. With a role
                      behind it a key needs the scope of that role
    nobody, refused   not there for anybody (404), refused to everybody (403)

Pages are for the staff alone (all others are asked to sign in) and for no key. A POST that is not
listed for a page does what GET does. ``METHOD:case`` is a request that asks for more than the plain
one, such as one that changes the rules of a model.

A new route: add its row here; a request that does what it asks for in ``requests.py``, unless it
is a GET; and in ``places.py`` what its id or name is the id of, if its path begins in a new way. A
test names what is missing. Give the level from docs/access.md, never from what the code does.
"""

from __future__ import annotations

# The next version of a thing that is there, or a new thing.
UPLOAD = "GET signed-in; POST publisher or-refused; POST:new publisher everywhere"

SCORING = {
    "api/v1/models/<str:ref>/predict": "POST scorer",
    "api/v1/models/<str:name>/versions/<int:number>/predict": "POST scorer",
    "api/v1/models/<str:ref>/openapi.json": "GET viewer",
    "v2": "GET open",
    "v2/": "GET open",
    "v2/repository/index": "POST signed-in",
    "v2/models/<str:ref>": "GET scorer",
    "v2/models/<str:ref>/versions/<int:number>": "GET scorer",
    "v2/models/<str:ref>/ready": "GET scorer",
    "v2/models/<str:ref>/versions/<int:number>/ready": "GET scorer",
    "v2/models/<str:ref>/infer": "POST scorer",
    "v2/models/<str:ref>/versions/<int:number>/infer": "POST scorer",
    "endpoints/<str:ref>/invocations": "POST scorer",
    "api/2.0/endpoints": "GET signed-in",
    "api/2.0/endpoints/": "GET signed-in",
    "api/2.0/endpoints/<str:ref>": "GET scorer",
}

WORK = {
    "api/v1/batch-jobs": "GET signed-in; POST scorer; POST:first publisher",
    "api/v1/batch-jobs/<str:id>": "GET viewer",
    "api/v1/batch-jobs/<str:id>/cancel": "POST publisher",
    "api/v1/batch-jobs/<str:id>/retry": "POST publisher",
    "api/v1/batch-jobs/<str:id>/results": "GET viewer",
    "api/v1/batch-jobs/<str:id>/rejects": "GET viewer",
    "api/v1/batch-jobs/<str:id>/chunks": "GET viewer",
    "api/v1/batch-jobs/<str:id>/comparison": "GET viewer",
    "api/v1/schedules": "GET signed-in; POST scorer",
    "api/v1/schedules/<str:name>": "GET viewer; PATCH publisher; DELETE publisher",
    "api/v1/schedules/<str:name>/run-now": "POST scorer",
    "api/v1/schedules/<str:name>/slots": "GET viewer",
}

MODELS = {
    "api/v1/models": "GET signed-in; POST publisher everywhere",
    "api/v1/models/<str:name>": "GET viewer; PATCH publisher; PATCH:rules manager",
    "api/v1/models/<str:name>/archive": "POST publisher",
    "api/v1/models/<str:name>/unarchive": "POST publisher",
    "api/v1/models/<str:name>/route": "GET viewer; PUT publisher; DELETE publisher",
    "api/v1/models/<str:name>/route/comparisons": "GET publisher",
    "api/v1/models/<str:name>/records": "GET manager",
    "api/v1/models/<str:name>/records/<str:id>": "GET manager",
    "api/v1/models/<str:name>/versions": "GET viewer; POST publisher; POST:correct publisher",
    "api/v1/models/<str:name>/versions/<str:number>": "GET viewer; PATCH publisher",
    "api/v1/models/<str:name>/versions/<str:number>/artifact": "GET scorer",
    "api/v1/models/<str:name>/versions/<str:number>/archive": "POST publisher",
    "api/v1/models/<str:name>/aliases": "GET viewer",
    "api/v1/models/<str:name>/aliases/<str:alias>": "GET viewer; PUT publisher; DELETE publisher",
    "api/v1/models/<str:name>/aliases/<str:alias>/history": "GET viewer",
    "api/v1/models/<str:name>/grants": "GET manager",
    "api/v1/models/<str:name>/grants/<str:user>": "GET manager; PUT manager; DELETE manager",
    "api/v1/approvals": "GET signed-in",
    "api/v1/approvals/<str:id>": "GET viewer",
    "api/v1/approvals/<str:id>/approve": "POST approver",
    "api/v1/approvals/<str:id>/reject": "POST approver",
    "api/v1/lineage/<str:kind>/<str:id>": "GET viewer",
}

DATA = {
    "api/v1/datasets": UPLOAD,
    "api/v1/datasets/<str:name>": "GET viewer; PATCH publisher; PATCH:rules manager",
    "api/v1/datasets/<str:name>/download": "GET viewer",
    "api/v1/datasets/<str:name>/versions": "GET viewer",
    "api/v1/datasets/<str:name>/versions/<str:number>": "GET viewer",
    "api/v1/datasets/<str:name>/versions/<str:number>/download": "GET viewer",
    "api/v1/datasets/<str:name>/archive": "POST publisher",
    "api/v1/datasets/<str:name>/unarchive": "POST publisher",
    "api/v1/datasets/<str:name>/versions/<str:number>/rules": "GET viewer",
    "api/v1/datasets/<str:name>/versions/<str:number>/promote": "POST publisher",
    "api/v1/datasets/<str:name>/versions/<str:number>/demote": "POST approver",
    "api/v1/datasets/<str:name>/grants": "GET manager",
    "api/v1/datasets/<str:name>/grants/<str:user>": "GET manager; PUT manager; DELETE manager",
    "api/v1/connections": "GET signed-in; POST manager everywhere",
    "api/v1/connections/<str:name>": "GET viewer; PATCH manager; DELETE manager",
    "api/v1/connections/<str:name>/test": "POST scorer granted",
    "api/v1/connections/<str:name>/grants": "GET manager",
    "api/v1/connections/<str:name>/grants/<str:user>": "GET manager; PUT manager; DELETE manager",
}

PEOPLE = {
    "api/v1/api-keys": "GET signed-in; POST viewer anywhere; POST:for-another manager everywhere",
    "api/v1/api-keys/<str:id>": "GET owner",
    "api/v1/api-keys/<str:id>/rotate": "POST owner",
    "api/v1/api-keys/<str:id>/revoke": "POST owner",
    "api/v1/me": "GET signed-in",
    "api/v1/audit": "GET manager everywhere",
    "api/v1/audit/export": "GET manager everywhere",
    "api/v1/webhooks": "GET signed-in; POST scorer anywhere; POST:model scorer",
    "api/v1/webhooks/<str:id>": "GET owner; PATCH owner scorer; DELETE owner scorer",
    "api/v1/webhooks/<str:id>/test": "POST owner scorer",
    "api/v1/webhooks/<str:id>/rotate": "POST owner scorer",
    "api/v1/webhooks/<str:id>/deliveries": "GET owner",
    "api/v1/schema": "GET anybody",
    "metrics": "GET manager everywhere",
}

PAGES = {
    "": "GET open",
    "docs": "GET open",
    "docs/errors": "GET open",
    "sign-in/provider": "GET closed",
    "sign-in/provider/callback": "GET closed",
    "sign-in/forgotten": "GET open",
    "sign-in/forgotten/asked": "GET open",
    "sign-in/new-password": "GET open",
    "sign-in/new-password/<uidb64>/<token>": "GET open",
    "admin/": "GET signed-in",
    "admin/login/": "GET open",
    "admin/logout/": "POST open",
    "admin/password_change/": "GET signed-in",
    "admin/password_change/done/": "GET signed-in",
    "admin/autocomplete/": "GET refused",
    "admin/jsi18n/": "GET signed-in",
    "admin/r/<path:content_type_id>/<path:object_id>/": "GET nobody",
    "admin/^(?P<app_label>registry|auth|serving)/$": "GET nobody",
    "admin/(?P<url>.*)$": "GET nobody",
    "admin/registry/registeredmodel/": "GET signed-in",
    "admin/registry/registeredmodel/add/": "GET publisher everywhere; POST publisher everywhere",
    "admin/registry/registeredmodel/<uuid:pk>/": "GET viewer",
    "admin/registry/registeredmodel/<uuid:pk>/edit/": "GET publisher; POST publisher",
    "admin/registry/registeredmodel/<uuid:pk>/archive/": "GET viewer; POST publisher",
    "admin/registry/registeredmodel/<uuid:pk>/unarchive/": "GET viewer; POST publisher",
    "admin/registry/registeredmodel/<uuid:pk>/card/": "GET viewer",
    "admin/registry/registeredmodel/<uuid:pk>/card-edit/": "GET publisher; POST publisher",
    "admin/registry/registeredmodel/<uuid:pk>/aliases/": "GET viewer; POST publisher",
    "admin/registry/registeredmodel/<uuid:pk>/alias-removal/": "GET viewer; POST publisher",
    "admin/registry/registeredmodel/<uuid:pk>/alias-history/<str:alias>/": "GET viewer",
    "admin/registry/registeredmodel/<uuid:pk>/grants/": "GET manager; POST manager",
    "admin/registry/registeredmodel/<uuid:pk>/grant-removal/": "GET manager; POST manager",
    "admin/registry/modelversion/": "GET signed-in",
    "admin/registry/modelversion/add/": UPLOAD,
    "admin/registry/modelversion/<uuid:pk>/": "GET viewer",
    "admin/registry/modelversion/<uuid:pk>/checks/": "GET viewer",
    "admin/registry/modelversion/<uuid:pk>/edit/": "GET publisher; POST publisher",
    "admin/registry/modelversion/<uuid:pk>/correct/": "GET publisher; POST publisher",
    "admin/registry/modelversion/<uuid:pk>/archive/": "GET viewer; POST publisher",
    "admin/registry/modelversion/<uuid:pk>/engine/": "GET viewer; POST publisher",
    "admin/registry/approvalrequest/": "GET signed-in",
    "admin/registry/approvalrequest/add/": "GET nobody",
    "admin/registry/approvalrequest/<uuid:pk>/": "GET viewer",
    "admin/registry/approvalrequest/<uuid:pk>/decide/": "GET viewer; POST approver",
    "admin/registry/auditevent/": "GET signed-in",
    "admin/registry/auditevent/add/": "GET nobody",
    "admin/registry/auditevent/<uuid:pk>/": "GET owner",
    "admin/lineage/<slug:kind>/<uuid:pk>/": "GET viewer",
    "admin/registry/connection/": "GET signed-in",
    "admin/registry/connection/add/": "GET manager everywhere; POST manager everywhere",
    "admin/registry/connection/<uuid:pk>/": "GET viewer",
    "admin/registry/connection/<uuid:pk>/edit/": "GET manager; POST manager",
    "admin/registry/connection/<uuid:pk>/test/": "GET viewer; POST scorer granted",
    "admin/registry/connection/<uuid:pk>/grants/": "GET manager; POST manager",
    "admin/registry/connection/<uuid:pk>/grant-removal/": "GET manager; POST manager",
    "admin/registry/dataset/": "GET signed-in",
    "admin/registry/dataset/add/": UPLOAD,
    "admin/registry/dataset/<uuid:pk>/": "GET viewer",
    "admin/registry/dataset/<uuid:pk>/edit/": "GET publisher; POST publisher",
    "admin/registry/dataset/<uuid:pk>/archive/": "GET viewer; POST publisher",
    "admin/registry/dataset/<uuid:pk>/unarchive/": "GET viewer; POST publisher",
    "admin/registry/dataset/<uuid:pk>/grants/": "GET manager; POST manager",
    "admin/registry/dataset/<uuid:pk>/grant-removal/": "GET manager; POST manager",
    "admin/registry/datasetversion/": "GET signed-in",
    "admin/registry/datasetversion/add/": "GET nobody",
    "admin/registry/datasetversion/<uuid:pk>/": "GET viewer",
    "admin/registry/datasetversion/<uuid:pk>/reading/": "GET viewer",
    "admin/registry/datasetversion/<uuid:pk>/promote/": "GET viewer; POST publisher",
    "admin/registry/datasetversion/<uuid:pk>/demote/": "GET viewer; POST approver",
    "admin/registry/apikey/": "GET signed-in; POST:revoke owner",
    "admin/registry/apikey/add/": "GET signed-in; POST viewer anywhere",
    "admin/registry/apikey/<uuid:pk>/": "GET owner",
    "admin/registry/apikey/<uuid:pk>/rotate/": "GET owner; POST owner",
    "admin/registry/apikey/<uuid:pk>/revoke/": "GET owner; POST owner",
    "admin/registry/webhook/": "GET signed-in",
    "admin/registry/webhook/add/": "GET signed-in; POST scorer anywhere",
    "admin/registry/webhook/<uuid:pk>/": "GET owner",
    "admin/registry/webhook/<uuid:pk>/edit/": "GET owner; POST owner",
    "admin/registry/webhook/<uuid:pk>/switch/": "GET owner; POST owner",
    "admin/registry/webhook/<uuid:pk>/test/": "GET owner; POST owner",
    "admin/registry/webhook/<uuid:pk>/rotate/": "GET owner; POST owner",
    "admin/registry/webhook/<uuid:pk>/delete/": "GET owner; POST owner",
    "admin/registry/user/": "GET manager everywhere",
    "admin/registry/user/add/": "GET manager everywhere; POST manager everywhere",
    "admin/registry/user/<uuid:pk>/": "GET owner; POST owner",
    "admin/registry/user/<uuid:pk>/password/": "GET owner; POST owner",
    "admin/registry/user/<uuid:pk>/part/": "GET owner; POST owner",
    "admin/auth/group/": "GET manager everywhere",
    "admin/auth/group/add/": "GET manager everywhere; POST manager everywhere",
    "admin/auth/group/<int:pk>/": "GET owner; POST owner",
    "admin/serving/batchjob/": "GET signed-in; POST:cancel publisher",
    "admin/serving/batchjob/add/": "GET signed-in; POST scorer",
    "admin/serving/batchjob/<uuid:pk>/": "GET viewer",
    "admin/serving/batchjob/<uuid:pk>/live/": "GET viewer",
    "admin/serving/batchjob/<uuid:pk>/chunks/": "GET viewer",
    "admin/serving/batchjob/<uuid:pk>/comparison/": "GET viewer",
    "admin/serving/batchjob/<uuid:pk>/cancel/": "GET viewer; POST publisher",
    "admin/serving/batchjob/<uuid:pk>/retry/": "GET viewer; POST publisher",
    "admin/serving/schedule/": "GET signed-in",
    "admin/serving/schedule/add/": "GET signed-in; POST scorer",
    "admin/serving/schedule/next-times/": "GET signed-in",
    "admin/serving/schedule/<uuid:pk>/": "GET viewer",
    "admin/serving/schedule/<uuid:pk>/edit/": "GET viewer; POST publisher",
    "admin/serving/schedule/<uuid:pk>/run-now/": "GET viewer; POST scorer",
    "admin/serving/schedule/<uuid:pk>/switch/": "GET viewer; POST publisher",
    "admin/serving/schedule/<uuid:pk>/delete/": "GET viewer; POST publisher",
    "admin/serving/predictionrecord/": "GET signed-in",
    "admin/serving/predictionrecord/add/": "GET nobody",
    "admin/serving/predictionrecord/<uuid:pk>/": "GET manager or-hidden",
    "admin/serving/route/<uuid:pk>/": "GET publisher; POST publisher",
    "admin/serving/route/<uuid:pk>/clear/": "GET viewer; POST publisher",
    "admin/serving/try-it/<uuid:pk>/": "GET nobody; POST scorer",
}

TABLE: dict[str, str] = {**SCORING, **WORK, **MODELS, **DATA, **PEOPLE, **PAGES}
