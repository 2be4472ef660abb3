//! Fuzzes `onrush_fuzz::token`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    onrush_fuzz::token(data);
});
