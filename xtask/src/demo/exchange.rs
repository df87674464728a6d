//! The exchange: messages both ways, whoever is there, and what each side has of them.

use anyhow::{Context as _, Result, ensure};

use super::{person::Person, server::Server, servers::Servers};

const HELLO: &str = "Hello Bob, only you can read this.";
const ANSWER: &str = "Hello Alice! Not even our homeservers can.";
const AWAY: &str = "You are away, so this waits at your homeserver, sealed.";
const DOWN: &str = "Your homeserver is down, so this waits at mine.";

/// Everything that is said.
pub(crate) const TEXTS: [&str; 4] = [HELLO, ANSWER, AWAY, DOWN];

/// How `missive history` marks a message that was shown to its receiver.
const READ: &str = "\u{2713}\u{2713} read";

/// Two people, each with an account at another homeserver.
pub(crate) struct Exchange {
    /// The one.
    pub(crate) alice: Person,
    /// The other.
    pub(crate) bob: Person,
}

impl Exchange {
    /// Makes their accounts.
    pub(crate) fn register(servers: &Servers) -> Result<Self> {
        let alice = Person::register("alice", &servers.one, servers.folder())?;
        let bob = Person::register("bob", &servers.two, servers.folder())?;
        Ok(Self { alice, bob })
    }

    /// Alice writes while Bob listens.
    pub(crate) fn online(&self) -> Result<()> {
        live(&self.alice, &self.bob, HELLO)
    }

    /// Bob writes while Alice listens.
    pub(crate) fn answer(&self) -> Result<()> {
        live(&self.bob, &self.alice, ANSWER)
    }

    /// Alice writes, and Bob listens afterwards.
    pub(crate) fn away(&self) -> Result<()> {
        self.alice.send(&self.bob, AWAY)?;
        println!("Now Bob comes.");
        arrived(&self.bob.listen()?.message()?, &self.alice, AWAY)
    }

    /// Alice writes while Bob's homeserver does not run.
    pub(crate) fn outage(&self, server: &mut Server) -> Result<()> {
        server.stop()?;
        println!("{} is down.", server.name());
        self.alice.send(&self.bob, DOWN)?;
        server.restart()?;
        arrived(&self.bob.listen()?.message()?, &self.alice, DOWN)
    }

    /// Each has everything, and Alice knows that Bob has read what she wrote.
    pub(crate) fn histories(&self) -> Result<()> {
        let Self { alice, bob } = self;
        hear_that_all_is_read(alice, bob, TEXTS.len() - 1)?;
        for (person, other) in [(alice, bob), (bob, alice)] {
            let history = person.history(other)?;
            for text in TEXTS {
                ensure!(history.contains(text), "the history of {} lacks \"{text}\"", person.address());
            }
        }
        Ok(())
    }

    /// Both compute the same from both identity keys: no server has put a key of its own between them.
    pub(crate) fn safety_numbers(&self) -> Result<()> {
        let shown = self.alice.safety_number(&self.bob, None)?;
        let number = digits(&shown).context("no safety number in what Alice's client shows")?;
        println!("Alice reads it out on the telephone, and Bob types what he hears.");
        self.bob.safety_number(&self.alice, Some(&number)).map(drop)
    }
}

fn live(sender: &Person, receiver: &Person, text: &str) -> Result<()> {
    let listener = receiver.listen()?;
    listener.wait_online()?;
    sender.send_and_wait(receiver, text)?;
    arrived(&listener.message()?, sender, text)
}

/// The line of the receiver's client must carry exactly what was written, and by whom.
fn arrived(line: &str, sender: &Person, text: &str) -> Result<()> {
    for (member, value) in [("text", text), ("sender", sender.address())] {
        ensure!(
            line.contains(&format!("\"{member}\":\"{value}\"")),
            "expected {member} \"{value}\" to arrive, but what came is: {line}"
        );
    }
    println!("It arrived, decrypted, word for word.");
    Ok(())
}

fn hear_that_all_is_read(sender: &Person, receiver: &Person, messages: usize) -> Result<()> {
    let listener = sender.follow()?;
    while sender.remembered(receiver)?.matches(READ).count() < messages {
        listener.status("read")?;
    }
    listener.end()
}

/// The 60 digits, in whatever groups they are shown.
fn digits(shown: &str) -> Option<String> {
    let is_group = |word: &&str| word.len() == 5 && word.bytes().all(|byte| byte.is_ascii_digit());
    let groups: Vec<_> = shown.split_whitespace().filter(is_group).collect();
    (groups.len() == 12).then(|| groups.join(" "))
}

#[cfg(test)]
mod tests {
    use super::digits;

    #[test]
    fn a_safety_number_is_found_in_what_is_shown() {
        let line = "  30035 44776 92869 39689";
        let shown =
            format!("Safety number with bob@two.example\n{line}\n{line}\n{line}\nThe other side must see them.");
        assert_eq!(digits(&shown).map(|number| number.len()), Some(71));
        assert_eq!(digits(line), None);
    }
}
