//! Others: who they are, what is noted of them, whether it is really them.

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct Search {
    /// The beginning of a name, or an exact name@server
    #[arg(value_name = "TEXT")]
    pub(crate) text: String,
}

#[derive(Debug, Args)]
pub(crate) struct Contacts {
    #[command(subcommand)]
    pub(crate) command: Option<ContactsCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ContactsCommand {
    /// Note that someone is a contact
    #[command(after_help = super::examples::CONTACTS_ADD)]
    Add {
        #[command(flatten)]
        who: Who,
        /// What to call them; nobody else sees it
        #[arg(long, value_name = "PETNAME")]
        name: Option<String>,
    },
    /// Forget what is noted of someone: petname, verified mark and block
    #[command(after_help = super::examples::CONTACTS_REMOVE)]
    Remove(Who),
    /// Give someone a petname, which nobody else sees, or take it away
    #[command(after_help = super::examples::CONTACTS_NAME)]
    Name {
        #[command(flatten)]
        who: Who,
        /// What to call them [default: the petname is taken away]
        #[arg(value_name = "PETNAME")]
        name: Option<String>,
    },
    /// Note that the safety number with someone was compared; do that first
    #[command(after_help = super::examples::CONTACTS_VERIFY)]
    Verify(Who),
    /// Take the verified mark back
    #[command(after_help = super::examples::CONTACTS_UNVERIFY)]
    Unverify(Who),
    /// Put someone's messages aside, unseen, from now on
    #[command(after_help = super::examples::CONTACTS_BLOCK)]
    Block(Who),
    /// End that; what was put aside stays aside
    #[command(after_help = super::examples::CONTACTS_UNBLOCK)]
    Unblock(Who),
}

/// Whom a command is about.
#[derive(Debug, Args)]
pub(crate) struct Who {
    /// A name on the same homeserver, name@server, or a petname
    pub(crate) who: String,
}

#[derive(Debug, Args)]
pub(crate) struct SafetyNumber {
    #[command(flatten)]
    pub(crate) who: Who,
    /// Say whether theirs is the same: their 60 digits, or what their QR code holds in base64
    ///
    /// The same: they are marked as verified (a changed key only with --accept), and the exit code is 0. Not the same: it is 5.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) compare: Option<String>,
    /// Accept their changed identity key; with --compare only if the numbers are the same
    #[arg(long)]
    pub(crate) accept: bool,
    /// Forget their changed identity key: the one before stays trusted
    #[arg(long, conflicts_with_all = ["accept", "compare"])]
    pub(crate) reject: bool,
    /// Leave the QR code out
    #[arg(long)]
    pub(crate) no_qr: bool,
}
