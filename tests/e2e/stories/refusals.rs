//! A configuration that cannot be judged by is refused with a sentence that says what is wrong.
