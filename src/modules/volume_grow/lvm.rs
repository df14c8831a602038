//! What lvm2 says about its volumes, and what sfdisk says about partition tables.

use serde::Deserialize;

use crate::diag::{Diagnostic, Result};

/// Columns of `pvs`.
pub(super) const PVS: &str = "pv_name,vg_name,pe_start,pv_pe_count";
/// Columns of `vgs`.
pub(super) const VGS: &str = "vg_name,vg_extent_size,vg_free_count";
/// Columns of `lvs`.
pub(super) const LVS: &str = "vg_name,lv_name,lv_size,lv_layout,lv_active,lv_kernel_major,lv_kernel_minor";

/// A physical volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pv {
    /// As lvm names it.
    pub name: String,
    /// The kernel's name of the device; none if it is missing.
    pub device: Option<String>,
    pub vg: String,
    /// Bytes before the first extent.
    pub start: u64,
    pub extents: u64,
}

/// A volume group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Vg {
    pub name: String,
    pub extent: u64,
    pub free: u64,
}

/// A logical volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lv {
    pub vg: String,
    pub name: String,
    pub bytes: u64,
    /// `linear`, `thin,sparse`, ...
    pub layout: String,
    pub active: bool,
    pub number: Option<(u32, u32)>,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lvm {
    pub pvs: Vec<Pv>,
    pub vgs: Vec<Vg>,
    pub lvs: Vec<Lv>,
}

impl Lvm {
    pub(super) fn vg(&self, name: &str) -> Option<&Vg> {
        self.vgs.iter().find(|vg| vg.name == name)
    }

    pub(super) fn lv(&self, vg: &str, name: &str) -> Option<&Lv> {
        self.lvs.iter().find(|lv| lv.vg == vg && lv.name == name)
    }
}

#[derive(Deserialize)]
struct Report {
    report: Vec<std::collections::BTreeMap<String, Vec<serde_json::Map<String, serde_json::Value>>>>,
}

fn rows(text: &str, kind: &str) -> Result<Vec<serde_json::Map<String, serde_json::Value>>> {
    let unreadable =
        |reason: String| Diagnostic::task("H0310", format!("cannot read what lvm2 reports ({kind}): {reason}"));
    let start = text.find('{').ok_or_else(|| unreadable("it is no JSON".to_owned()))?;
    let report: Report = serde_json::from_str(&text[start..]).map_err(|error| unreadable(error.to_string()))?;
    Ok(report.report.into_iter().flat_map(|mut part| part.remove(kind).unwrap_or_default()).collect())
}

fn text(row: &serde_json::Map<String, serde_json::Value>, key: &str) -> String {
    row.get(key).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}

/// A number; lvm writes all of them as text, bytes with a `B` where `--nosuffix` is ignored.
fn number(row: &serde_json::Map<String, serde_json::Value>, key: &str) -> Result<u64> {
    let found = text(row, key);
    found.trim_end_matches('B').parse().map_err(|_| {
        Diagnostic::task("H0310", format!("lvm2 reports `{found}` as `{key}`, where a number is expected"))
    })
}

/// Reads the three reports. `device` gives the kernel's name of a device file.
pub(super) fn parse(pvs: &str, vgs: &str, lvs: &str, device: &dyn Fn(&str) -> Option<String>) -> Result<Lvm> {
    let mut lvm = Lvm::default();
    for row in rows(pvs, "pv")? {
        let name = text(&row, "pv_name");
        lvm.pvs.push(Pv {
            device: device(&name),
            name,
            vg: text(&row, "vg_name"),
            start: number(&row, "pe_start").unwrap_or(0),
            extents: number(&row, "pv_pe_count").unwrap_or(0),
        });
    }
    for row in rows(vgs, "vg")? {
        lvm.vgs.push(Vg {
            name: text(&row, "vg_name"),
            extent: number(&row, "vg_extent_size")?.max(1),
            free: number(&row, "vg_free_count")?,
        });
    }
    for row in rows(lvs, "lv")? {
        let part = |key| text(&row, key).parse::<u32>().ok();
        lvm.lvs.push(Lv {
            vg: text(&row, "vg_name"),
            name: text(&row, "lv_name"),
            bytes: number(&row, "lv_size")?,
            layout: text(&row, "lv_layout"),
            active: text(&row, "lv_active").starts_with("active"),
            number: part("lv_kernel_major").zip(part("lv_kernel_minor")),
        });
    }
    Ok(lvm)
}

/// A disk's partition table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Table {
    pub label: String,
    #[serde(default)]
    pub lastlba: Option<u64>,
    #[serde(default = "sector")]
    pub sectorsize: u64,
    #[serde(default)]
    pub partitions: Vec<Slice>,
}

/// One of its partitions, in sectors of the table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Slice {
    pub start: u64,
    pub size: u64,
    #[serde(default, rename = "type")]
    pub kind: String,
}

fn sector() -> u64 {
    crate::system::block::SECTOR
}

/// Reads `sfdisk --json`.
pub(super) fn parse_table(text: &str) -> Result<Table> {
    #[derive(Deserialize)]
    struct Whole {
        partitiontable: Table,
    }
    let start = text.find('{').unwrap_or(0);
    serde_json::from_str::<Whole>(&text[start..])
        .map(|whole| whole.partitiontable)
        .map_err(|error| Diagnostic::task("H0310", format!("cannot read what sfdisk reports: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_reports_are_read() {
        let pvs = r#"{"report": [{"pv": [
            {"pv_name":"/dev/vdb1", "vg_name":"vg0", "pe_start":"1048576", "pv_pe_count":"2559"},
            {"pv_name":"[unknown]", "vg_name":"vg0", "pe_start":"", "pv_pe_count":""},
            {"pv_name":"/dev/vdc", "vg_name":"", "pe_start":"0", "pv_pe_count":"0"}]}]}"#;
        let vgs = "  WARNING: Device for PV abc not found\n{\"report\": [{\"vg\": [{\"vg_name\":\"vg0\", \
                   \"vg_extent_size\":\"4194304B\", \"vg_free_count\":\"1023\"}]}], \"log\": []}";
        let lvs = r#"{"report": [{"lv": [
            {"vg_name":"vg0", "lv_name":"docker", "lv_size":"4294967296", "lv_layout":"linear", "lv_active":"active",
             "lv_kernel_major":"253", "lv_kernel_minor":"0"},
            {"vg_name":"vg0", "lv_name":"off", "lv_size":"4194304", "lv_layout":"thin,sparse", "lv_active":"",
             "lv_kernel_major":"-1", "lv_kernel_minor":"-1"}]}]}"#;
        let device = |name: &str| name.strip_prefix("/dev/").map(str::to_owned);
        let lvm = parse(pvs, vgs, lvs, &device).expect("reads");
        assert_eq!(lvm.pvs[0].device.as_deref(), Some("vdb1"));
        assert_eq!(lvm.pvs[1].device, None);
        assert_eq!(lvm.vgs[0], Vg { name: "vg0".to_owned(), extent: 4 << 20, free: 1023 });
        assert_eq!((lvm.lvs[0].number, lvm.lvs[0].active), (Some((253, 0)), true));
        assert_eq!((lvm.lvs[1].number, lvm.lvs[1].active), (None, false));
        assert!(parse("", vgs, lvs, &device).is_err());
    }

    #[test]
    fn a_recorded_partition_table_is_read() {
        let text = r#"{"partitiontable": {"label":"gpt","id":"04","device":"/dev/vdb","unit":"sectors","firstlba":2048,
            "lastlba":131038,"sectorsize":512,"partitions":[{"node":"/dev/vdb1","start":2048,"size":65536,"type":"E6D6D379"}]}}"#;
        let table = parse_table(text).expect("reads");
        assert_eq!((table.label.as_str(), table.lastlba, table.partitions[0].size), ("gpt", Some(131_038), 65536));
        assert!(parse_table("sfdisk: does not contain a recognized partition table").is_err());
    }
}
