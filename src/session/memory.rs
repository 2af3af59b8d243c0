//! Sessions in this process's memory: for `dev` and tests.
