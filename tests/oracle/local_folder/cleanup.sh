rm -rf /tmp/hct-folder-jobs
