module greenroom/peers

go 1.19
