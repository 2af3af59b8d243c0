"""Authlib behind the gateway: its Flask integration, by the discovery document, and its plain session."""

from authlib.common.security import generate_token
from authlib.integrations.flask_client import OAuth
from authlib.integrations.requests_client import OAuth2Session
from flask import Flask, jsonify

from visitor import argument, follow

GATEWAY, ISSUER, CALLBACK = argument["gateway"], argument["issuer"], argument["callback"]
SCOPE = "openid profile email offline_access"

app = Flask(__name__)
app.secret_key = "a secret of the application alone"
gateway = OAuth(app).register(
    "gateway",
    client_id=argument["client_id"],
    client_secret="never leaves the gateway",
    server_metadata_url=f"{GATEWAY}/.well-known/openid-configuration",
    client_kwargs={"scope": SCOPE, "code_challenge_method": "S256"},
)


@app.get("/login")
def login():
    return gateway.authorize_redirect(CALLBACK)


@app.get("/callback")
def callback():
    token = gateway.authorize_access_token()  # checks the ID token by the key set of the document
    return jsonify(user=token["userinfo"], who=gateway.userinfo(token=token))


browser = app.test_client()
start = browser.get("/login").headers["location"]
assert start.startswith(f"{GATEWAY}/authorize?"), start
back = browser.get("/callback?" + follow(start, CALLBACK).split("?", 1)[1])
assert back.status_code == 200, back.text
assert back.json["user"]["iss"] == ISSUER, back.json
assert back.json["who"]["email"] == "johndoe@foreign.example", back.json

session = OAuth2Session(
    argument["client_id"],
    scope=SCOPE,
    redirect_uri=CALLBACK,
    code_challenge_method="S256",
    token_endpoint_auth_method="none",
    token_endpoint=f"{GATEWAY}/oauth/token",
)
verifier = generate_token(48)
start, state = session.create_authorization_url(f"{GATEWAY}/authorize", code_verifier=verifier)
back = follow(start, CALLBACK)
token = session.fetch_token(authorization_response=back, code_verifier=verifier, state=state)
renewed = session.refresh_token(refresh_token=token["refresh_token"])
assert renewed["access_token"] != token["access_token"]
assert renewed["refresh_token"] != token["refresh_token"]
assert session.get(f"{GATEWAY}/userinfo").json()["sub"] == "johndoe"
