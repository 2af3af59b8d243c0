//! A key, and what is signed with it, written once and used by everybody in a side-by-side.

use std::fs;
use std::io;
use std::path::Path;

use auth0_gateway::base::clock::{Clock, SystemClock};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

const ISSUER: &str = "https://bench.eu.auth0.com/";
const AUDIENCE: &str = "https://api.bench.example";
const KEY_ID: &str = "bench-key";

/// As long as the tokens of the first measurements, so that figures compare.
const ACCESS_TOKEN: usize = 1_016;

/// Makes a client-credentials answer as long as one with two tokens.
const LONG_ACCESS_TOKEN: usize = 1_736;

const ID_TOKEN: usize = 700;

/// Ten years: nobody measures with an expired token by mistake.
const LIFETIME: i64 = 10 * 365 * 86_400;

/// Writes the folder.
pub(super) fn write(folder: &Path, tokens: usize) -> io::Result<String> {
    fs::create_dir_all(folder)?;
    let (signer, stranger) = (Signer::new()?, Signer::new()?);
    let bearers: Vec<String> =
        (0..tokens).map(|user| signer.padded(access_claims(user), ACCESS_TOKEN)).collect::<io::Result<_>>()?;
    let first = access_claims(0);
    let put = |name: &str, text: &[u8]| fs::write(folder.join(name), text);
    put("bearers.txt", (bearers.join("\n") + "\n").as_bytes())?;
    put("forged.txt", stranger.padded(first.clone(), ACCESS_TOKEN)?.as_bytes())?;
    put("expired.txt", signer.padded(expired(first), ACCESS_TOKEN)?.as_bytes())?;
    put("userinfo.json", profile().to_string().as_bytes())?;
    let (jwks, der) = signer.public()?;
    put("jwks.json", jwks.to_string().as_bytes())?;
    put("public.pem", pem(&der).as_bytes())?;
    put("public.der", &der)?;
    let plain = signer.padded(access_claims(0), LONG_ACCESS_TOKEN)?;
    let plain = json!({"access_token": plain, "scope": "read:all", "expires_in": 86_400, "token_type": "Bearer"});
    put("token-plain.json", plain.to_string().as_bytes())?;
    for (name, client) in [("token-openid.json", "BenchApi"), ("token-web.json", "BenchWeb")] {
        let answer = json!({
            "access_token": bearers.first(), "id_token": signer.padded(id_claims(client), ID_TOKEN)?,
            "scope": "openid profile email", "expires_in": 86_400, "token_type": "Bearer",
        });
        put(name, answer.to_string().as_bytes())?;
    }
    // Last: a folder without it was not finished.
    put("complete", b"")?;
    Ok(format!("{}: a key and {tokens} access tokens\n", folder.display()))
}

/// A private key that is never written down.
struct Signer {
    key: KeyPair,
    random: SystemRandom,
}

impl Signer {
    fn new() -> io::Result<Self> {
        let key = KeyPair::generate(KeySize::Rsa2048).map_err(io::Error::other)?;
        Ok(Self { key, random: SystemRandom::new() })
    }

    /// Signs the claims, with a filler among them that gives the token its length.
    fn padded(&self, mut claims: Value, length: usize) -> io::Result<String> {
        let without = self.sign(&claims)?.len();
        // Three bytes of a claim are four of a token; the filler's name and quotes are 17.
        let filler = (length.saturating_sub(without) * 3 / 4).saturating_sub(17);
        claims["https://x/pad"] = "x".repeat(filler).into();
        self.sign(&claims)
    }

    fn sign(&self, claims: &Value) -> io::Result<String> {
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": KEY_ID}).to_string();
        let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &self.random, text.as_bytes(), &mut signature).map_err(io::Error::other)?;
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// As a key set, and as DER (`SubjectPublicKeyInfo`).
    fn public(&self) -> io::Result<(Value, Vec<u8>)> {
        let public = self.key.public_key();
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let jwks = json!({"keys": [{
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY_ID,
            "n": part(public.modulus().big_endian_without_leading_zero()),
            "e": part(public.exponent().big_endian_without_leading_zero()),
        }]});
        let der = AsDer::<PublicKeyX509Der<'_>>::as_der(public).map_err(io::Error::other)?;
        Ok((jwks, der.as_ref().to_vec()))
    }
}

fn access_claims(user: usize) -> Value {
    let now = SystemClock.now().as_second();
    json!({
        "iss": ISSUER, "sub": format!("auth0|{user:024}"), "aud": [AUDIENCE], "azp": "BenchApi",
        "iat": now - 60, "exp": now + LIFETIME, "scope": "openid profile email", "gty": "password",
    })
}

fn expired(mut claims: Value) -> Value {
    claims["exp"] = (SystemClock.now().as_second() - 3_600).into();
    claims
}

fn id_claims(client: &str) -> Value {
    let now = SystemClock.now().as_second();
    json!({
        "iss": ISSUER, "sub": format!("auth0|{:024}", 0), "aud": client, "iat": now - 60, "exp": now + LIFETIME,
        "name": "Bench User", "email": "user@bench.example", "sid": "bench-session",
    })
}

/// 344 bytes, as in the first measurements.
fn profile() -> Value {
    let mut profile = json!({
        "sub": format!("auth0|{:024}", 0), "name": "Bench User", "nickname": "user", "email": "user@bench.example",
        "email_verified": true, "picture": "https://cdn.bench.example/user.png", "updated_at": "2026-11-24T00:00:00.000Z",
    });
    let missing = 344usize.saturating_sub(profile.to_string().len() + r#","note":"""#.len());
    profile["note"] = "x".repeat(missing).into();
    profile
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len()).step_by(64).filter_map(|at| text.get(at..text.len().min(at + 64))).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::super::verify;
    use super::*;

    #[test]
    fn what_is_written_verifies_and_what_a_stranger_signed_does_not() {
        let folder = std::env::temp_dir().join(format!("bench-keys-{}", std::process::id()));
        write(&folder, 3).unwrap();
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        assert!(verify::measure(&folder, 6).unwrap().trim().parse::<f64>().is_ok());
        let bearers = read("bearers.txt");
        assert!(bearers.lines().all(|token| token.len().abs_diff(ACCESS_TOKEN) <= 4), "{bearers}");
        assert_eq!(read("userinfo.json").len(), 344);
        assert_eq!(read("token-plain.json").len().abs_diff(read("token-openid.json").len()) / 32, 0);
        fs::write(folder.join("bearers.txt"), read("forged.txt")).unwrap();
        let refused = verify::measure(&folder, 1);
        fs::remove_dir_all(&folder).unwrap();
        assert!(refused.is_err());
    }
}
