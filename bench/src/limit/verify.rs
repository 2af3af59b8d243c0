//! One signature, alone.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Verifies one token after the other, and tells the microseconds on the processor that one took.
pub(super) fn measure(folder: &Path, signatures: u32) -> io::Result<String> {
    let key = fs::read(folder.join("public.der"))?;
    let key = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key).map_err(io::Error::other)?;
    let tokens = fs::read_to_string(folder.join("bearers.txt"))?;
    let mut signed = Vec::new();
    for token in tokens.lines() {
        let (text, signature) = token.rsplit_once('.').ok_or_else(|| io::Error::other("no token"))?;
        signed.push((text.as_bytes(), URL_SAFE_NO_PAD.decode(signature).map_err(io::Error::other)?));
    }
    let before = nanoseconds_on_processor()?;
    for (_, (text, signature)) in (0..signatures).zip(signed.iter().cycle()) {
        key.verify_sig(text, signature).map_err(io::Error::other)?;
    }
    let spent = nanoseconds_on_processor()?.saturating_sub(before);
    Ok(format!("{:.3}\n", Duration::from_nanos(spent).as_secs_f64() * 1e6 / f64::from(signatures)))
}

/// This thread's: others on the machine do not count.
fn nanoseconds_on_processor() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    text.split(' ').next().and_then(|first| first.parse().ok()).ok_or_else(|| io::Error::other(text))
}
