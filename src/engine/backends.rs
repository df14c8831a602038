//! Modules that hand their work to another one (`package`, `service`): which that is, and its `module_defaults`.
//!
//! Ansible finds it in the action plugins of these two. What the host itself finds out, if neither an
//! argument nor a variable nor a fact says it, is the module's own business.

use indexmap::IndexMap;

use super::arguments::{Places, set_arg};
use super::interp::HostRun;
use crate::diag::Result;
use crate::modules::{HandsTo, ModuleEntry};
use crate::playbook::{ModuleUse, Task};
use crate::value::{Map, StrKey, Value, python_str};
use crate::vars::Scope;

impl HostRun {
    /// Adds the defaults of the module that does the work below the arguments that are there.
    pub(super) fn backend_defaults(
        &self,
        task: &Task,
        module: &ModuleUse,
        scope: &Scope,
        args: &mut Map,
        places: &mut Places,
    ) -> Result<()> {
        let Some(hands_to) = module.entry.meta.hands_to else { return Ok(()) };
        let Some(name) = self.backend(task, module.entry, hands_to, scope, args)? else { return Ok(()) };
        let Some(entry) =
            hands_to.names.iter().find(|known| **known == name).and_then(|name| crate::modules::find(name))
        else {
            return Ok(());
        };
        let used = ModuleUse {
            name: entry.meta.name.into(),
            name_span: module.name_span,
            entry,
            args: IndexMap::new(),
            full_name: entry.meta.full_name.into(),
            program: None,
            args_template: None,
            deprecated: Vec::new(),
        };
        let own = |name: &str| entry.spec().arg(name).map_or_else(|| name.to_owned(), |arg| arg.name.clone());
        for (key, value, node) in self.module_defaults(task, &used, scope)? {
            let key = own(&key);
            if args.keys().all(|given| own(&given.text()) != key) {
                places.insert(key.as_str().into(), (node.place(), node));
                set_arg(args, module.entry, key.into(), value);
            }
        }
        Ok(())
    }

    /// The name of the module that does the work, as far as it is known here. What a variable or a fact says of it
    /// becomes the argument `use`.
    fn backend(
        &self,
        task: &Task,
        entry: &'static ModuleEntry,
        hands_to: HandsTo,
        scope: &Scope,
        args: &mut Map,
    ) -> Result<Option<String>> {
        let given = args.get(&StrKey("use")).map(python_str).filter(|name| !name.is_empty() && name != "auto");
        if given.is_some() {
            return Ok(given.map(|name| name.to_lowercase()));
        }
        let templates = &self.play.engine.templates;
        if let Some(variable) = hands_to.variable
            && scope.get(variable).is_some()
            && let Some(value) = templates.variable(variable, scope)?
        {
            let name = python_str(&value);
            if value.truthy() && name != "auto" {
                set_arg(args, entry, "use".into(), Value::from(name.as_str()));
                return Ok(Some(name));
            }
        }
        // The facts of another host are not in sight here; it finds out by itself.
        if task.keywords.get("delegate_to").is_some() {
            return Ok(None);
        }
        let facts = templates.variable("ansible_facts", scope)?;
        let fact = facts.as_ref().and_then(Value::as_map).and_then(|facts| facts.get(&StrKey(hands_to.fact)));
        let fact = fact.and_then(Value::as_str).filter(|name| hands_to.names.contains(name));
        if let Some(name) = fact {
            set_arg(args, entry, "use".into(), Value::from(name));
        }
        Ok(fact.map(str::to_owned))
    }
}
