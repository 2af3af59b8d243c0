//! The emulator over real sockets, its tokens read by a verifier that nobody here wrote.
