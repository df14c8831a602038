for user in hctone hcttwo; do userdel -r $user 2>/dev/null; done
for group in hctops hctsys hctone hcttwo; do groupdel $group 2>/dev/null; done
true
