//! Signed answers: each counts for the one request that it answers.

use homeserver::peers::signature::{AnswerClaim, AnswerHead, LABEL, Reply, SignatureError, SignedRequest};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::signatures::{BODY, NOW, at, key, sign, signed_at};

fn signed() -> SignedRequest {
    signed_at(NOW, 1)
}

fn answer(request: &SignedRequest, seed: u8) -> HeaderMap {
    let reply = Reply { request: request.head(), label: LABEL, status: StatusCode::OK, body: BODY };
    reply.sign("b1", sign(seed), at(NOW)).unwrap()
}

fn answer_read(headers: &HeaderMap, request: &SignedRequest) -> Result<AnswerClaim, SignatureError> {
    let head = AnswerHead { status: StatusCode::OK, headers, request: request.head() };
    AnswerClaim::read(&head, LABEL, at(NOW))
}

#[test]
fn an_answer_is_bound_to_its_request() {
    let request = signed();
    let headers = answer(&request, 2);
    let claim = answer_read(&headers, &request).unwrap();
    assert_eq!((claim.key_id(), claim.created()), ("b1", at(NOW)));
    claim.verify(&key(2).verifying_key()).unwrap().digest.check(BODY).unwrap();
    insta::assert_snapshot!(
        headers["signature-input"].to_str().unwrap(),
        @r#"missive=("@status" "content-digest" "signature";req;key="missive");created=1772366400;keyid="b1";alg="ed25519";tag="missive-federation""#
    );

    // The same question asked again is another request; so is that of another server.
    for other in [signed_at(NOW + 1, 1), signed_at(NOW, 3)] {
        let claim = answer_read(&headers, &other).unwrap();
        assert_eq!(claim.verify(&key(2).verifying_key()).unwrap_err(), SignatureError::WrongSignature);
    }
    let head = AnswerHead { status: StatusCode::ACCEPTED, headers: &headers, request: request.head() };
    let claim = AnswerClaim::read(&head, LABEL, at(NOW)).unwrap();
    assert_eq!(claim.verify(&key(2).verifying_key()).unwrap_err(), SignatureError::WrongSignature);
}

#[test]
fn an_answer_that_covers_less_or_comes_late_is_refused() {
    let request = signed();
    let headers = answer(&request, 2);
    let head = AnswerHead { status: StatusCode::OK, headers: &headers, request: request.head() };
    let read = |now| AnswerClaim::read(&head, LABEL, at(now)).map(drop);
    assert_eq!((read(NOW - 60), read(NOW + 300)), (Ok(()), Ok(())));
    assert_eq!(read(NOW - 61), Err(SignatureError::CreatedInFuture { seconds: 61 }));
    assert_eq!(read(NOW + 301), Err(SignatureError::Expired { seconds: 1 }));

    let input = headers["signature-input"].to_str().unwrap();
    for component in ["\"@status\"", "\"content-digest\"", "\"signature\";req;key=\"missive\""] {
        let mut less = headers.clone();
        less.insert("signature-input", HeaderValue::from_str(&input.replace(component, "")).unwrap());
        let error = answer_read(&less, &request).unwrap_err();
        assert_eq!(error, SignatureError::MissingComponent(component.to_owned()));
    }
    // The order of a component's parameters does not matter; which request is meant does.
    let mut other = headers.clone();
    let turned = input.replace(";req;key=\"missive\"", ";key=\"missive\";req");
    other.insert("signature-input", HeaderValue::from_str(&turned).unwrap());
    answer_read(&other, &request).unwrap();
    let renamed = input.replace(";req;key=\"missive\"", ";req;key=\"other\"");
    other.insert("signature-input", HeaderValue::from_str(&renamed).unwrap());
    let absent = SignatureError::Absent("\"signature\";req;key=\"other\"".to_owned());
    assert_eq!(answer_read(&other, &request).unwrap_err(), absent);
}
