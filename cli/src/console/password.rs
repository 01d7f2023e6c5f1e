//! `console password`: the hash of a password, for the console's local administrator.

use std::io::{BufRead, IsTerminal};

use anyhow::{Context, anyhow};
use argon2::Argon2;
use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::PasswordHash;

use crate::failure::Failure;
use crate::output::say;

/// Shorter ones are guessed, whatever they are hashed with.
const MIN_LENGTH: usize = 12;
const MAX_LENGTH: usize = 1_000;

/// Asks, where somebody can be asked; else it reads a line.
pub fn run() -> Result<(), Failure> {
    let password = match std::io::stdin().is_terminal() {
        true => asked()?,
        false => read()?,
    };
    say!("{}", hash(&password)?);
    Ok(())
}

fn asked() -> Result<String, Failure> {
    let ask = |what: &str| rpassword::prompt_password(what).context("it can't be asked for");
    let password = ask("Password (12 characters at least): ")?;
    if ask("Once more: ")? != password {
        return Err(Failure::Input("the two are not the same".to_owned()));
    }
    Ok(password)
}

fn read() -> Result<String, Failure> {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.context("standard input can't be read")?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// With what the makers of argon2 recommend: 19 MiB, two passes.
fn hash(password: &str) -> Result<String, Failure> {
    let length = password.chars().count();
    if length < MIN_LENGTH || password.len() > MAX_LENGTH {
        return Err(Failure::Input(format!(
            "a password has {MIN_LENGTH} characters at least (this one has {length})"
        )));
    }
    let random = weir_ids::random();
    let argon2 = Argon2::default();
    let hashed = argon2.hash_password_with_salt(password.as_bytes(), random.as_bytes());
    let hashed: PasswordHash = hashed.map_err(|error| anyhow!("it can't be hashed: {error}"))?;
    Ok(hashed.to_string())
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::PasswordVerifier;

    use super::*;

    #[test]
    fn a_hash_knows_its_password_and_no_other() {
        let (one, other) = (
            hash("correct horse ü").unwrap(),
            hash("correct horse ü").unwrap(),
        );
        assert!(one.starts_with("$argon2id$"), "{one}");
        assert_ne!(one, other, "salt");
        let parsed = PasswordHash::new(&one).unwrap();
        let verify = |text: &str| Argon2::default().verify_password(text.as_bytes(), &parsed);
        assert!(verify("correct horse ü").is_ok());
        assert!(verify("correct horse u").is_err());
    }

    #[test]
    fn short_ones_are_refused() {
        assert!(hash("elevensigns").is_err());
        assert!(hash(&"x".repeat(1_001)).is_err());
    }
}
