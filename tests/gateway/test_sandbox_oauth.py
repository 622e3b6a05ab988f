"""The simulated API's accounts, apps, OAuth and bearers."""

import base64
import json
import time
from urllib.parse import parse_qs, urlsplit

import pytest

from gate import until

REDIRECT = "http://127.0.0.1:8089/back?a=1"
STATE = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def app(sandbox):
    return sandbox.control_post("/apps", name="crm", redirect_uri=REDIRECT)


def consent(sandbox, app, **changes):
    parameters = {"client_id": app["client_id"], "redirect_uri": REDIRECT, "state": STATE, "response_type": "code",
                  "approve": "41", **changes}
    return sandbox.direct.get("/en/authorize", params={k: v for k, v in parameters.items() if v is not None})


def sent_back(answer):
    """The parameters that the browser takes back to the app."""
    assert answer.status_code == 302
    where = urlsplit(answer.headers["location"])
    assert where._replace(query="").geturl() == "http://127.0.0.1:8089/back"
    query = {name: values[0] for name, values in parse_qs(where.query).items()}
    assert query.pop("a") == "1"
    return query


def redeem(sandbox, app, code, path="/v4/token", **changes):
    return sandbox.direct.get(path, params={"client_id": app["client_id"], "client_secret": app["client_secret"],
                                            "redirect_uri": REDIRECT, "code": code, **changes})


def bearer_of(sandbox, token, path="/authenticate"):
    answer = sandbox.direct.post(path, data={"access_token": token})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain"
    return answer.text


def with_bearer(sandbox, bearer, path="/v4/identity"):
    return sandbox.direct.get(path, headers={"Authorization": f"Bearer {bearer}"})


def claims(bearer):
    part = bearer.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_each_account_has_its_identity_and_its_data(sandbox):
    other = sandbox.control_post("/accounts", name="Other shop")
    assert other["account"] == {"id": "42", "name": "Other shop"}
    as_other = {"access_token": other["access_token"]}
    identity = sandbox.direct.get("/v2/identity", params=as_other).json()
    assert identity["id"] == "42" and identity["name"] == "Other shop"
    assert sandbox.api("GET", "/v2/identity").json()["id"] == "41"
    sandbox.api("PUT", "/v2/profile/9001/fields", json={"city": "Delft"})
    assert sandbox.api("GET", "/v2/profile/9001").json()["fields"]["city"] == "Delft"
    assert sandbox.direct.get("/v2/profile/9001", params=as_other).json()["fields"]["city"] != "Delft"


def test_an_app_is_linked_by_consent_and_a_code(sandbox, app):
    back = sent_back(consent(sandbox, app))
    assert back.pop("state") == STATE
    answer = redeem(sandbox, app, back.pop("code"))
    assert not back and answer.status_code == 200
    token = answer.json()["access_token"]
    assert sandbox.direct.get("/v2/identity", params={"access_token": token}).json()["id"] == "41"
    told = sandbox.client.get("/accounts").json()
    assert [t["client_id"] for t in told["tokens"] if t["access_token"] == token] == [app["client_id"]]


def test_an_app_can_be_linked_by_hand(sandbox, app):
    linked = sandbox.control_post("/links", account="41", client_id=app["client_id"])
    assert sandbox.direct.get("/v2/identity", params={"access_token": linked["access_token"]}).status_code == 200


def test_the_page_asks_which_account(sandbox, app):
    sandbox.control_post("/accounts", name="<b>Other</b>")
    page = consent(sandbox, app, approve=None)
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    assert "approve=41" in page.text and "approve=42" in page.text and "<b>" not in page.text
    link = page.text.split('<a href="')[2].split('"')[0].replace("&amp;", "&")
    back = sent_back(sandbox.direct.get("/nl/authorize" + link))
    token = redeem(sandbox, app, back["code"]).json()["access_token"]
    assert sandbox.direct.get("/identity", params={"access_token": token}).json()["id"] == "42"


@pytest.mark.parametrize("changes, wanted", [
    ({"approve": "no"}, {"error": "access_denied", "state": STATE}),
    ({"state": "short"}, {"state": "short"}),
    ({"response_type": "token"}, {"error": "unsupported_response_type", "state": STATE}),
], ids=["refused", "short state", "another response_type"])
def test_no_code_comes_back(sandbox, app, changes, wanted):
    assert sent_back(consent(sandbox, app, **changes)) == wanted


@pytest.mark.parametrize("changes", [{"client_id": "x"}, {"redirect_uri": "http://127.0.0.1:8089/"},
                                     {"redirect_uri": None}, {"approve": "99"}], ids=str)
def test_what_does_not_fit_the_app_sends_nobody_anywhere(sandbox, app, changes):
    answer = consent(sandbox, app, **changes)
    assert answer.status_code == 400 and "location" not in answer.headers


def test_a_code_is_good_once_and_for_its_app_alone(sandbox, app):
    other = sandbox.control_post("/apps", name="other", redirect_uri=REDIRECT)
    code = sent_back(consent(sandbox, app))["code"]
    for changes in ({"code": "0" * 32}, {"client_secret": "x"}, {"client_id": "x"}, {"redirect_uri": "http://x"},
                    {"client_id": other["client_id"], "client_secret": other["client_secret"]}):
        answer = redeem(sandbox, app, code, **changes) if "code" not in changes else \
            redeem(sandbox, app, changes["code"])
        assert answer.status_code == 400 and "error" in answer.json(), changes
    assert redeem(sandbox, app, code, "/token").status_code == 200
    assert redeem(sandbox, app, code).status_code == 400


def test_a_token_is_exchanged_for_a_bearer_of_v4(sandbox):
    for path in ("/authenticate", "/"):
        bearer = bearer_of(sandbox, sandbox.token, path)
        assert 86390 < claims(bearer)["exp"] - time.time() < 86410
        assert with_bearer(sandbox, bearer).status_code == 200
        assert with_bearer(sandbox, bearer, "/v3/identity").status_code == 400
    assert sandbox.calls()["calls"]["POST /authenticate"] == 1
    refused = sandbox.direct.post("/authenticate", data={"access_token": "wrong"})
    assert refused.status_code == 400 and "Invalid access token" in refused.text


def test_a_bearer_that_was_changed_is_refused(sandbox):
    head, payload, signature = bearer_of(sandbox, sandbox.token).split(".")
    longer = base64.urlsafe_b64encode(json.dumps({**claims(f".{payload}."), "exp": 1 << 40}).encode())
    for wrong in (f"{head}.{longer.decode().rstrip('=')}.{signature}", f"{head}.{payload}.", f"{head}.{payload}",
                  f"{head}.{payload}.{signature[:-4]}AAAA", "x.y.z", "..", "."):
        answer = with_bearer(sandbox, wrong)
        assert answer.status_code == 401, wrong
        assert "invalid_token" in answer.headers["www-authenticate"]


def test_a_bearer_expires(sandbox):
    sandbox.knobs(bearer_lifetime_ms=2000)
    bearer = bearer_of(sandbox, sandbox.token)
    until(lambda: with_bearer(sandbox, bearer).status_code == 401, "its end")
    sandbox.knobs(bearer_lifetime_ms=86400000)
    assert with_bearer(sandbox, bearer_of(sandbox, sandbox.token)).status_code == 200


def test_tokens_and_bearers_are_revoked(sandbox):
    bearer = bearer_of(sandbox, sandbox.token)
    sandbox.control_post("/revoke", bearers=True)
    assert with_bearer(sandbox, bearer).status_code == 401
    bearer = bearer_of(sandbox, sandbox.token)
    assert with_bearer(sandbox, bearer).status_code == 200
    sandbox.control_post("/revoke", access_token=sandbox.token)
    assert sandbox.api("GET", "/v2/identity").status_code == 400
    assert with_bearer(sandbox, bearer).status_code == 401
    sandbox.reset()
    assert sandbox.api("GET", "/v2/identity").status_code == 200


@pytest.mark.parametrize("path, body", [
    ("/accounts", {}), ("/apps", {"name": "x"}), ("/links", {"account": "99"}), ("/revoke", {}),
    ("/links", {"account": "41", "client_id": "x"}), ("/revoke", {"access_token": "x"})], ids=str)
def test_what_the_control_port_does_not_understand_is_said(sandbox, path, body):
    answer = sandbox.client.post(path, json=body)
    assert answer.status_code == 400 and "wants" in answer.json()["error"]["message"]
