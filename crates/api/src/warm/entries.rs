//! Entries that users put beside an object: any bytes, for a time, under a key of theirs.
//!
//! No cache can list its keys, so a prefix is forgotten by moving its *generation*, which is part of
//! the name of every entry below it. A prefix ends with `:` or `/`, or is empty. A generation that the
//! cache has lost takes the entries below it along: they may have been forgotten on purpose.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use tidelog_core::{Address, Quantity};
use tidelog_log::{Error, Result};

use super::key::EntryKeys;
use super::{Cache, Entry, Keep, WarmHost};
use crate::handle::Routed;
use crate::limits::{
    CACHE_ENTRY_BYTES_MAX, CACHE_KEY_BYTES_MAX, CACHE_LEVELS_MAX, CACHE_MEDIA_BYTES_MAX,
    CACHE_TTL_MILLIS,
};
use crate::parameters::invalid;
use crate::reply::{self, with_header};
use crate::{BodySource, Response, body};

/// Generations outlive every entry below them.
const GENERATION_MILLIS: i64 = *CACHE_TTL_MILLIS.end();

pub(crate) async fn get<H: WarmHost, B>(host: &H, request: &Routed<B>) -> Result<Response<B>> {
    let object = request.object()?;
    host.newest(&object.type_name).await?;
    let key = entry_key(request.value(2))?;
    let keys = EntryKeys::new(&object);
    let unknown = || {
        let message = format!("the cache holds no entry {key:?}; put it again");
        Error::not_found("unknown_cache_entry", message).at("key")
    };
    let generations = generations(host.cache(), &keys, key).await;
    let generations: Option<Vec<String>> = generations.into_iter().collect();
    let name = keys.entry(&generations.ok_or_else(unknown)?.join("."), key);
    let entry = host.cache().get(&name).await.ok_or_else(unknown)?;
    let age = host.now() - entry.stored_at;
    let mut response = reply::bytes(StatusCode::OK, "", entry.body);
    if let Ok(media) = entry.media.parse() {
        response.headers_mut().insert(CONTENT_TYPE, media);
    }
    response = with_header(response, "age", &(age.max(0) / 1_000).to_string());
    response = with_header(response, "tidelog-cache", "hit");
    response = with_header(response, "cache-control", "private, no-cache");
    // Bytes of anyone's: a browser must not take them for a page of this host.
    Ok(with_header(response, "content-security-policy", "sandbox"))
}

pub(crate) async fn put<H: WarmHost, B: BodySource>(
    host: &H,
    mut request: Routed<B>,
) -> Result<Response<B>> {
    let object = request.object()?;
    let policy = host.newest(&object.type_name).await?.warm;
    let key = entry_key(request.value(2))?.to_owned();
    if !policy.enabled {
        let message = "the type's [warm] is not enabled";
        return Err(Error::invalid("warm_disabled", message).at("type"));
    }
    let ttl_millis = match request.parameters.get("ttl") {
        Some(text) => ttl(text)?,
        None => policy.ttl_millis,
    };
    let media = media(&request.headers)?;
    let body = body::read(&request.headers, &mut request.body, CACHE_ENTRY_BYTES_MAX).await?;
    let keep = Keep {
        ttl_millis,
        entries_max: policy.entries_max,
    };
    store(host, &object, &key, body, media, keep).await;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

pub(crate) async fn delete<H: WarmHost, B>(host: &H, request: &Routed<B>) -> Result<Response<B>> {
    let object = request.object()?;
    let policy = host.newest(&object.type_name).await?.warm;
    let (keys, cache) = (EntryKeys::new(&object), host.cache());
    let value = request.value(2);
    if let Some(prefix) = value.strip_suffix('*') {
        check_prefix(prefix)?;
        renew(host, &keys, prefix, policy.entries_max).await;
        return Ok(reply::empty(StatusCode::NO_CONTENT));
    }
    let key = entry_key(value)?;
    let generations = generations(cache, &keys, key).await;
    if let Some(generations) = generations.into_iter().collect::<Option<Vec<String>>>() {
        cache.delete(&keys.entry(&generations.join("."), key)).await;
    }
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

async fn store<H: WarmHost>(
    host: &H,
    object: &Address,
    key: &str,
    body: Bytes,
    media: String,
    keep: Keep,
) {
    let keys = EntryKeys::new(object);
    let known = generations(host.cache(), &keys, key).await;
    let mut all = Vec::with_capacity(known.len());
    for (prefix, generation) in levels(key).into_iter().zip(known) {
        all.push(match generation {
            Some(generation) => generation,
            None => renew(host, &keys, prefix, keep.entries_max).await,
        });
    }
    let entry = Entry {
        body,
        media,
        tag: String::new(),
        stored_at: host.now(),
    };
    host.cache()
        .put(&keys.entry(&all.join("."), key), entry, keep)
        .await;
}

/// The generation of every level of a key; `None` where the cache has none.
async fn generations<C: Cache>(cache: &C, keys: &EntryKeys, key: &str) -> Vec<Option<String>> {
    let mut all = Vec::new();
    for prefix in levels(key) {
        let entry = cache.get(&keys.generation(prefix)).await;
        all.push(entry.and_then(|entry| String::from_utf8(entry.body.to_vec()).ok()));
    }
    all
}

/// Gives a level a generation that it never had.
async fn renew<H: WarmHost>(host: &H, keys: &EntryKeys, prefix: &str, entries_max: u64) -> String {
    let random = host.entropy();
    let generation: String = random[..8].iter().map(|b| format!("{b:02x}")).collect();
    let entry = Entry {
        body: Bytes::from(generation.clone()),
        media: "text/plain".to_owned(),
        tag: String::new(),
        stored_at: host.now(),
    };
    let keep = Keep {
        ttl_millis: GENERATION_MILLIS,
        entries_max,
    };
    host.cache()
        .put(&keys.generation(prefix), entry, keep)
        .await;
    generation
}

/// The prefixes of a key that can be forgotten by themselves: the empty one, and those that end with
/// one of its first separators.
fn levels(key: &str) -> Vec<&str> {
    let ends = key.char_indices().filter(|(_, c)| SEPARATORS.contains(c));
    let ends = ends.map(|(at, _)| at + 1).take(CACHE_LEVELS_MAX);
    std::iter::once(0)
        .chain(ends)
        .map(|end| &key[..end])
        .collect()
}

const SEPARATORS: [char; 2] = [':', '/'];

fn entry_key(key: &str) -> Result<&str> {
    if key.ends_with('*') {
        let message = "a key does not end with *; only DELETE takes a prefix";
        return Err(Error::invalid("invalid_cache_key", message).at("key"));
    }
    check_length(key)?;
    Ok(key)
}

fn check_prefix(prefix: &str) -> Result<()> {
    check_length(prefix)?;
    let count = prefix.matches(SEPARATORS).count();
    if prefix.is_empty() || prefix.ends_with(SEPARATORS) && count <= CACHE_LEVELS_MAX {
        return Ok(());
    }
    let message = format!(
        "a prefix is empty or ends with : or /, and has at most {CACHE_LEVELS_MAX} of them"
    );
    Err(Error::invalid("invalid_cache_key", message).at("key"))
}

fn check_length(key: &str) -> Result<()> {
    if key.len() <= CACHE_KEY_BYTES_MAX {
        return Ok(());
    }
    let message = format!("a cache key is at most {CACHE_KEY_BYTES_MAX} bytes");
    Err(Error::too_large("cache_key_too_long", message).at("key"))
}

fn ttl(text: &str) -> Result<i64> {
    let wanted = || {
        invalid(
            "ttl",
            "ttl is 1 minute to 1 year: seconds, or text such as 5m, 2h, 7d",
        )
    };
    let quantity = match text.parse() {
        Ok(seconds) => Quantity::Number(seconds),
        Err(_) => Quantity::Text(text.to_owned()),
    };
    let millis = quantity.millis().map_err(|_| wanted())?;
    Some(millis)
        .filter(|millis| CACHE_TTL_MILLIS.contains(millis))
        .ok_or_else(wanted)
}

fn media(headers: &HeaderMap) -> Result<String> {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return Ok("application/octet-stream".to_owned());
    };
    let text = value
        .to_str()
        .ok()
        .filter(|text| text.len() <= CACHE_MEDIA_BYTES_MAX);
    text.map(str::to_owned).ok_or_else(|| {
        let message = format!("the content type is ASCII of at most {CACHE_MEDIA_BYTES_MAX} bytes");
        Error::invalid("invalid_header", message).at("Content-Type")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_levels_of_a_key_are_the_prefixes_that_can_be_forgotten() {
        assert_eq!(levels("users:42/name"), ["", "users:", "users:42/"]);
        assert_eq!(levels("plain"), [""]);
        assert_eq!(levels("a:b:c:d:e:f:g:h:i:j").len(), CACHE_LEVELS_MAX + 1);
        for prefix in ["", "users:", "users:42/", "a:b:c:d:e:f:g:"] {
            assert!(check_prefix(prefix).is_ok(), "{prefix}");
        }
        for prefix in ["user", "users:4", "a:b:c:d:e:f:g:h:"] {
            assert_eq!(
                check_prefix(prefix).unwrap_err().code(),
                "invalid_cache_key"
            );
        }
    }

    #[test]
    fn times_are_seconds_or_text_within_a_minute_and_a_year() {
        assert_eq!(ttl("60").unwrap(), 60_000);
        assert_eq!(ttl("2h").unwrap(), 7_200_000);
        for odd in [
            "59",
            "",
            "-60",
            "53w",
            "5 minutes",
            "1e3",
            "99999999999999999999",
        ] {
            assert_eq!(ttl(odd).unwrap_err().field(), Some("ttl"), "{odd}");
        }
    }
}
