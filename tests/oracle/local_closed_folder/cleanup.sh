userdel -r hostctl-closed 2>/dev/null || true
