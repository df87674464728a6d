//! `missive safety-number`.

use anstyle::AnsiColor;
use client_core::{
    Account, Contact, Error, SafetyNumber,
    wire::{Address, Base64},
};
use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};
use serde_json::json;

use crate::{
    args::{self, Global},
    contacts::marks,
    failure::Failure,
    output::{GOOD, ODD, Output, called, paint},
    place::Place,
    who::Who,
};

/// Groups of five digits in a line.
const GROUPS_A_LINE: usize = 4;

/// What a QR code of less cannot be a safety number.
const SCANNED_MIN_BYTES: usize = 64;

pub(crate) async fn safety_number(global: &Global, output: &Output, args: args::SafetyNumber) -> Result<(), Failure> {
    let who = Who::read(global, &args.who.who)?;
    let place = Place::find(global).await?;
    let account = place.account().await?;
    let with = who.of(&account).await?;
    if with == *account.address() {
        return Err(Error::OwnAddress.into());
    }
    if args.reject {
        return reject(&place, output, &with).await;
    }
    let number = number(&place, &account, &with).await?;
    let same = args.compare.as_deref().map(|theirs| is_same(&number, theirs)).transpose()?;
    // As the owner, nobody else can take in another key.
    let is_accepted = args.accept && same != Some(false) && place.client().await?.accept_identity(&number).await?;
    if same == Some(true) && (is_accepted || !number.changed()) {
        account.verify(&number).await?;
    }
    let contact = account.contact(&with).await?;
    let outcome = Outcome { number, contact, same, is_accepted, with_qr: !args.no_qr };
    outcome.show(output);
    if same == Some(false) { Err(Failure::NotTheSame) } else { Ok(()) }
}

/// Only a key that nobody has met here yet needs the homeserver, and so the owner.
async fn number(place: &Place, account: &Account, with: &Address) -> Result<SafetyNumber, Failure> {
    match account.safety_number(with).await {
        Err(Error::UnknownIdentity(_)) => Ok(place.client().await?.safety_number(with).await?),
        result => Ok(result?),
    }
}

/// Forgets a changed key; the one before stays trusted.
async fn reject(place: &Place, output: &Output, with: &Address) -> Result<(), Failure> {
    let rejected = place.client().await?.reject_identity(with).await?;
    let text = if rejected { "The new key is forgotten; the one before is trusted." } else { "No new key waits." };
    output.line(text, &json!({"address": with, "rejected": rejected}));
    Ok(())
}

/// Theirs, as digits or as what their QR code holds.
fn is_same(number: &SafetyNumber, theirs: &str) -> Result<bool, Failure> {
    let digits = theirs.chars().filter(char::is_ascii_digit).count();
    let is_spelled = theirs.chars().all(|c| c.is_ascii_digit() || c.is_whitespace() || c == '-');
    if is_spelled && digits == number.digits().len() {
        return Ok(number.matches_digits(theirs));
    }
    match Base64::try_from(theirs.trim().to_owned()) {
        Ok(scanned) if !is_spelled && scanned.0.len() >= SCANNED_MIN_BYTES => Ok(number.matches_scanned(&scanned.0)),
        _ => Err(Failure::Usage("a safety number has 60 digits; what its QR code holds is written in base64".into())),
    }
}

/// What is to be said of a safety number.
struct Outcome {
    number: SafetyNumber,
    contact: Contact,
    same: Option<bool>,
    is_accepted: bool,
    with_qr: bool,
}

impl Outcome {
    fn show(&self, output: &Output) {
        let value = json!({
            "address": self.contact.address,
            "digits": self.number.digits(),
            "qr": Base64(self.number.scannable().to_vec()),
            "changed": self.waits(),
            "same": self.same,
            "verified": self.contact.verified,
            "accepted": self.is_accepted,
        });
        output.line(&self.text(), &value);
    }

    /// Whether the key waits for acceptance.
    fn waits(&self) -> bool {
        self.number.changed() && !self.is_accepted
    }

    fn text(&self) -> String {
        let Contact { address, petname, .. } = &self.contact;
        let who = called(address, petname.as_deref());
        let mut lines = vec![format!("Safety number with {who}{}", marks(&self.contact, self.waits()))];
        lines.extend(self.number.groups().chunks(GROUPS_A_LINE).map(|line| format!("  {}", line.join(" "))));
        if self.with_qr && self.same.is_none() {
            lines.extend(qr(self.number.scannable()));
        }
        lines.extend(self.remarks(address));
        lines.join("\n")
    }

    fn remarks(&self, address: &Address) -> Vec<String> {
        let same = match self.same {
            Some(true) if self.contact.verified => {
                Some(paint(GOOD, "The same: nobody is between you. They are marked as verified now."))
            }
            Some(true) => Some(paint(GOOD, "The same: nobody is between you.")),
            Some(false) => None,
            None => Some("The other side must see the same digits. To compare theirs: --compare DIGITS".to_owned()),
        };
        let key = match (self.is_accepted, self.waits()) {
            (true, _) => Some("Their new key is accepted.".to_owned()),
            (false, true) => Some(paint(
                ODD,
                format!(
                    "Their key has changed, and this is about the new one. If the numbers are the same: \
                     missive safety-number {address} --accept; if not: --reject"
                ),
            )),
            (false, false) => None,
        };
        same.into_iter().chain(key).collect()
    }
}

/// Light on dark, in colours where there are any, so that it can be scanned whatever the terminal's are.
fn qr(bytes: &[u8]) -> Vec<String> {
    // Too much for a code is more than a safety number has.
    let Ok(code) = QrCode::with_error_correction_level(bytes, EcLevel::L) else { return Vec::new() };
    let drawn = code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
    let style = AnsiColor::BrightWhite.on(AnsiColor::Black);
    drawn.lines().map(|line| paint(style, line)).collect()
}
