//! Answers that stand ready.

use std::fs;
use std::io;
use std::path::Path;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;

/// An answer whose body never changes.
pub(super) type Ready = Response<Full<Bytes>>;

/// A file of the folder, as JSON.
pub(super) fn json(folder: &Path, name: &str) -> io::Result<Ready> {
    let path = folder.join(name);
    let body = fs::read(&path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(answer)
}

/// Nothing, with a status.
pub(super) fn empty(status: StatusCode) -> Ready {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}
