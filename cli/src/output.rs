//! Printing that survives a reader who has gone (`./weir up | head`): a command has more to
//! do than to be read.

/// As `println!`, but never panics.
macro_rules! say {
    ($($argument:tt)*) => {{
        use std::io::Write;
        let mut output = std::io::stdout().lock();
        let _ = writeln!(output, $($argument)*).and_then(|()| output.flush());
    }};
}

pub(crate) use say;
