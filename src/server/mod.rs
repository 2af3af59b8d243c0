//! Sockets: listeners, connections, shutdown. Generic over the service that answers.
