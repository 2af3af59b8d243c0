//! Files and directories that change: notification, debounce, and a slow poll beside it.
