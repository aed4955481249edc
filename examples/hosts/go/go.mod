module train

go 1.19
