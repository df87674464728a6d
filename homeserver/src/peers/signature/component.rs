//! What a signature covers, and the value that each component has in a message (RFC 9421 section 2).

use sfv::{BareItem, Dictionary, FieldType as _, Item, Parser};

use super::{
    AnswerHead, HEADER_MAX_BYTES, Message, RequestHead, SignatureError,
    structured::{field, serialize, size},
};

/// A component identifier. Supported are header fields, members of dictionaries (`key`), the components of a request
/// that an answer covers (`req`), and the derived components but `@query-param`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    name: String,
    of_request: bool,
    key: Option<String>,
    /// As it stands in the signature's input.
    text: String,
}

impl Component {
    /// A header or a derived component of the message itself.
    pub(super) fn named(name: &str) -> Self {
        Self { name: name.to_owned(), of_request: false, key: None, text: format!("\"{name}\"") }
    }

    /// The signature of that label in the request that an answer answers (RFC 9421 section 2.4).
    pub(super) fn request_signature(label: &str) -> Self {
        let text = format!("\"signature\";req;key=\"{label}\"");
        Self { name: "signature".to_owned(), of_request: true, key: Some(label.to_owned()), text }
    }

    /// Reads an item of a signature's input.
    pub(super) fn read(item: &Item) -> Result<Self, SignatureError> {
        let text = item.serialize();
        let unsupported = || SignatureError::UnsupportedComponent(text.clone());
        let name = item.bare_item.as_string().ok_or_else(unsupported)?.as_str();
        if name.is_empty() || name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(unsupported());
        }
        let mut component = Self { name: name.to_owned(), of_request: false, key: None, text: text.clone() };
        for (parameter, value) in &item.params {
            match (parameter.as_str(), value) {
                ("req", BareItem::Boolean(true)) => component.of_request = true,
                ("key", BareItem::String(key)) => component.key = Some(key.as_str().to_owned()),
                _ => return Err(unsupported()),
            }
        }
        Ok(component)
    }

    /// As it stands in the signature's input.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is a member of a dictionary, so that a whole header is read for it.
    pub(super) fn is_member(&self) -> bool {
        self.key.is_some()
    }

    /// Whether both name the same, in whatever order their parameters stand.
    pub(super) fn same(&self, other: &Self) -> bool {
        (&self.name, self.of_request, &self.key) == (&other.name, other.of_request, &other.key)
    }

    /// The component's value, which may stand in a signature base: printable ASCII, without line breaks.
    pub(super) fn value(&self, message: &Message) -> Result<String, SignatureError> {
        let value = match message {
            Message::Request(head) if !self.of_request => self.of_request_head(head)?,
            Message::Answer(head) if self.of_request => self.of_request_head(&head.request)?,
            Message::Answer(head) => self.of_answer(head)?,
            Message::Request(_) => return Err(self.unsupported()),
        };
        let printable = value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte));
        if printable { Ok(value) } else { Err(SignatureError::Unprintable(self.text.clone())) }
    }

    fn of_request_head(&self, head: &RequestHead) -> Result<String, SignatureError> {
        if !self.name.starts_with('@') {
            return self.of_headers(head.headers);
        }
        let (path, query) = head.path_and_query.split_once('?').unwrap_or((head.path_and_query, ""));
        let path = if path.is_empty() { "/" } else { path };
        let server = head.server.as_str();
        match (self.name.as_str(), &self.key) {
            ("@method", None) => Ok(head.method.as_str().to_owned()),
            ("@target-uri", None) => Ok(format!("https://{server}{}", head.path_and_query)),
            ("@authority", None) => Ok(server.strip_suffix(":443").unwrap_or(server).to_owned()),
            ("@scheme", None) => Ok("https".to_owned()),
            ("@request-target", None) => Ok(head.path_and_query.to_owned()),
            ("@path", None) => Ok(path.to_owned()),
            ("@query", None) => Ok(format!("?{query}")),
            _ => Err(self.unsupported()),
        }
    }

    fn of_answer(&self, head: &AnswerHead) -> Result<String, SignatureError> {
        match (self.name.as_str(), &self.key) {
            ("@status", None) => Ok(head.status.as_str().to_owned()),
            (name, _) if name.starts_with('@') => Err(self.unsupported()),
            _ => self.of_headers(head.headers),
        }
    }

    fn of_headers(&self, headers: &http::HeaderMap) -> Result<String, SignatureError> {
        let absent = || SignatureError::Absent(self.text.clone());
        if self.is_member() && size(headers, &self.name) > HEADER_MAX_BYTES {
            return Err(SignatureError::LargeComponent(self.text.clone()));
        }
        let value = field(headers, &self.name)?.ok_or_else(absent)?;
        let Some(key) = &self.key else { return Ok(value) };
        // Of two members of one name, the last counts (RFC 9651 section 4.2.2).
        let members: Dictionary = Parser::new(&value).parse().map_err(|_| absent())?;
        members.get(key.as_str()).cloned().map(serialize).ok_or_else(absent)
    }

    fn unsupported(&self) -> SignatureError {
        SignatureError::UnsupportedComponent(self.text.clone())
    }
}
