//! All that knows HTTP towards callers: routes, parsing, replies, the error table.
