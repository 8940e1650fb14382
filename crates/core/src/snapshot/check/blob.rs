//! What is wrong with a blob or its mask.

use tidelog_log::Result;
use tidelog_vortex::VortexDecoder;

use super::{Damage, damage_of};
use crate::folded::{Blob, Entry, mask_of, tag_of};
use crate::sql::Sql;
use crate::table::{blobs, masks};

/// True for a blob whose bytes, as they are stored, are those that were written.
pub(in crate::snapshot) fn is_as_written(sql: &dyn Sql, entry: &Entry) -> Result<bool> {
    let body = damage_of(blobs::body(sql, entry.id))?;
    Ok(body.is_ok_and(|body| tag_of(&body) == entry.tag))
}

/// What is wrong with a blob, if anything is.
pub(super) fn damage(sql: &dyn Sql, entry: &Entry) -> Result<Option<Damage>> {
    let body = match damage_of(blobs::body(sql, entry.id))? {
        Ok(body) if tag_of(&body) == entry.tag => {
            let kept = entry.adopted.and_then(|adopted| adopted.mask);
            let what = damage_of(mask_of(sql, kept))?.err();
            return Ok(what.map(|what| of(entry, what)));
        }
        Ok(body) => body,
        Err(what) => return Ok(Some(of(entry, what))),
    };
    let page = match VortexDecoder::open(body) {
        Ok(decoder) => (0..decoder.page_count()).find(|page| decoder.read_batch(*page).is_err()),
        Err(_) => None,
    };
    let what = "the blob is not what was written".to_owned();
    Ok(Some(Damage {
        page,
        ..of(entry, what)
    }))
}

/// What is wrong with a live blob's mask, if anything is: it has no checksum but the count of its bits.
pub(in crate::snapshot) fn mask_damage(sql: &dyn Sql, entry: &Entry) -> Result<Option<Damage>> {
    let Some((masked, mask)) = masks::stored(sql, entry.id)? else {
        return Ok(None);
    };
    let past_end = (entry.rows..entry.rows.next_multiple_of(8)).any(|row| mask.has(row));
    let is_long = mask.bits().len() > entry.rows.div_ceil(8) as usize;
    let what = match masked == mask.masked() && !past_end && !is_long {
        true => return Ok(None),
        false => "the mask of the blob is not what was written".to_owned(),
    };
    Ok(Some(of(entry, what)))
}

fn of(entry: &Entry, what: String) -> Damage {
    Damage {
        blob: Some(entry.id),
        what,
        ..Damage::default()
    }
}

/// A damaged blob, as far as it can be read: pages have checksums of their own. None where what it says of
/// itself does not read.
pub(in crate::snapshot) fn opened_anyway<'s>(
    sql: &'s dyn Sql,
    entry: &Entry,
) -> Result<Option<Blob<'s>>> {
    let body = damage_of(blobs::body(sql, entry.id))?;
    let opened = body.ok().map(|body| Blob::of_bytes(sql, body));
    let opened = opened.and_then(Result::ok);
    Ok(opened.map(|blob| blob.adopted(entry.adopted)))
}
