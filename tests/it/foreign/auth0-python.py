"""`auth0-python` behind the gateway: a code with PKCE, a refresh, the profile."""

import hashlib
import secrets
from base64 import urlsafe_b64encode
from urllib.parse import parse_qs, urlencode, urlsplit

from auth0.authentication import GetToken, Users

from visitor import argument, follow

GATEWAY, CALLBACK, CLIENT = argument["gateway"], argument["callback"], argument["client_id"]
HOST = urlsplit(GATEWAY).netloc

verifier = secrets.token_urlsafe(48)
challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
wanted = {
    "client_id": CLIENT,
    "response_type": "code",
    "redirect_uri": CALLBACK,
    "scope": "openid profile email offline_access",
    "state": "a state of the application",
    "code_challenge": challenge,
    "code_challenge_method": "S256",
}
back = parse_qs(urlsplit(follow(f"{GATEWAY}/authorize?{urlencode(wanted)}", CALLBACK)).query)
assert back["state"] == [wanted["state"]], back

# The domain is the gateway's. `protocol` is for this test, which has no TLS.
tokens = GetToken(HOST, CLIENT, client_secret="never leaves the gateway", protocol="http")
token = tokens.authorization_code_pkce(verifier, back["code"][0], CALLBACK)
renewed = tokens.refresh_token(token["refresh_token"])
assert renewed["access_token"] != token["access_token"]
who = Users(HOST, protocol="http").userinfo(renewed["access_token"])
assert who["email"] == "johndoe@foreign.example", who
