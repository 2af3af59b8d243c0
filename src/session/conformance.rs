//! The suite that every session store passes.
