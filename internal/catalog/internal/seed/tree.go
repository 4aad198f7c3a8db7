package seed

var departments = []department{
	{pair{"패션의류", "Fashion"}, "fashion", fashion, []group{
		{pair{"상의", "Tops"}, "tops", []kind{
			{pair{"티셔츠", "T-Shirt"}, "t-shirts", 12_000, 49_000, clothes, []string{"상의", "여름"}},
			{pair{"셔츠", "Shirt"}, "shirts", 25_000, 89_000, clothes, []string{"상의", "출근룩"}},
			{pair{"후드티", "Hoodie"}, "hoodies", 35_000, 119_000, clothes, []string{"상의", "스트릿"}},
			{pair{"니트", "Knit Sweater"}, "knitwear", 32_000, 149_000, clothes, []string{"상의", "겨울"}},
		}},
		{pair{"하의", "Bottoms"}, "bottoms", []kind{
			{pair{"청바지", "Jeans"}, "jeans", 35_000, 139_000, trousers, []string{"하의", "데님"}},
			{pair{"슬랙스 팬츠", "Slacks Pants"}, "slacks", 29_000, 109_000, trousers, []string{"하의", "출근룩"}},
			{pair{"반바지", "Shorts"}, "shorts", 19_000, 69_000, trousers, []string{"하의", "여름"}},
			{pair{"레깅스", "Leggings"}, "leggings", 15_000, 79_000, clothes, []string{"하의", "운동"}},
		}},
		{pair{"아우터", "Outerwear"}, "outerwear", []kind{
			{pair{"패딩", "Puffer Jacket"}, "puffers", 89_000, 489_000, clothes, []string{"아우터", "겨울"}},
			{pair{"코트", "Coat"}, "coats", 119_000, 459_000, clothes, []string{"아우터", "겨울"}},
			{pair{"바람막이 자켓", "Windbreaker Jacket"}, "windbreakers", 49_000, 189_000, clothes, []string{"아우터", "봄"}},
		}},
		{pair{"원피스·스커트", "Dresses & Skirts"}, "dresses-skirts", []kind{
			{pair{"원피스", "Dress"}, "dresses", 39_000, 189_000, clothes, []string{"여성", "데이트룩"}},
			{pair{"스커트", "Skirt"}, "skirts", 25_000, 99_000, clothes, []string{"여성", "데일리"}},
		}},
	}},
	{pair{"신발", "Shoes"}, "shoes", footwear, []group{
		{pair{"운동화", "Sneakers"}, "sneakers", []kind{
			{pair{"러닝 운동화", "Running Sneakers"}, "running-shoes", 59_000, 219_000, shoes, []string{"신발", "러닝"}},
			{pair{"캔버스 스니커즈", "Canvas Sneakers"}, "canvas-sneakers", 35_000, 109_000, shoes, []string{"신발", "데일리"}},
			{pair{"농구화 운동화", "Basketball Sneakers"}, "basketball-shoes", 79_000, 259_000, shoes, []string{"신발", "농구"}},
		}},
		{pair{"구두·부츠", "Dress Shoes & Boots"}, "dress-shoes-boots", []kind{
			{pair{"로퍼", "Loafers"}, "loafers", 59_000, 239_000, shoes, []string{"신발", "출근룩"}},
			{pair{"부츠", "Boots"}, "boots", 79_000, 329_000, shoes, []string{"신발", "겨울"}},
		}},
		{pair{"샌들·슬리퍼", "Sandals & Slippers"}, "sandals-slippers", []kind{
			{pair{"샌들", "Sandals"}, "sandals", 19_000, 99_000, shoes, []string{"신발", "여름"}},
			{pair{"슬리퍼", "Slippers"}, "slippers", 9_000, 59_000, shoes, []string{"신발", "여름"}},
		}},
	}},
	{pair{"가방·잡화", "Bags & Accessories"}, "bags", bagware, []group{
		{pair{"가방", "Bags"}, "all-bags", []kind{
			{pair{"백팩", "Backpack"}, "backpacks", 39_000, 189_000, bags, []string{"가방", "학생"}},
			{pair{"토트백 가방", "Tote Bag"}, "tote-bags", 29_000, 259_000, bags, []string{"가방", "데일리"}},
			{pair{"크로스백", "Crossbody Bag"}, "crossbody-bags", 25_000, 189_000, bags, []string{"가방", "여행"}},
			{pair{"여행용 캐리어", "Travel Suitcase"}, "suitcases", 79_000, 389_000, bags, []string{"가방", "여행"}},
		}},
		{pair{"패션잡화", "Accessories"}, "accessories", []kind{
			{pair{"지갑", "Wallet"}, "wallets", 25_000, 199_000, free, []string{"잡화", "선물"}},
			{pair{"볼캡 모자", "Ball Cap"}, "caps", 15_000, 59_000, free, []string{"잡화", "스트릿"}},
			{pair{"양말", "Socks"}, "socks", 3_000, 19_000, free, []string{"잡화", "데일리"}},
			{pair{"머플러", "Muffler Scarf"}, "scarves", 19_000, 129_000, free, []string{"잡화", "겨울"}},
		}},
	}},
	{pair{"뷰티", "Beauty"}, "beauty", beauty, []group{
		{pair{"스킨케어", "Skincare"}, "skincare", []kind{
			{pair{"토너", "Toner"}, "toners", 9_000, 59_000, drops, []string{"스킨케어", "수분"}},
			{pair{"세럼", "Serum"}, "serums", 15_000, 129_000, drops, []string{"스킨케어", "앰플"}},
			{pair{"크림", "Cream"}, "creams", 15_000, 159_000, drops, []string{"스킨케어", "보습"}},
			{pair{"선크림", "Sunscreen"}, "sunscreens", 9_000, 45_000, drops, []string{"스킨케어", "여름"}},
			{pair{"마스크팩", "Sheet Mask"}, "sheet-masks", 1_000, 39_000, packs, []string{"스킨케어", "홈케어"}},
		}},
		{pair{"메이크업", "Makeup"}, "makeup", []kind{
			{pair{"쿠션", "Cushion"}, "cushions", 15_000, 79_000, drops, []string{"메이크업", "베이스"}},
			{pair{"립스틱", "Lipstick"}, "lipsticks", 9_000, 59_000, free, []string{"메이크업", "선물"}},
		}},
		{pair{"헤어·바디", "Hair & Body"}, "hair-body", []kind{
			{pair{"샴푸", "Shampoo"}, "shampoos", 7_000, 39_000, bottles, []string{"헤어", "생필품"}},
			{pair{"향수", "Perfume"}, "perfumes", 29_000, 259_000, drops, []string{"향기", "선물"}},
		}},
	}},
	{pair{"디지털", "Digital"}, "digital", digital, []group{
		{pair{"컴퓨터", "Computers"}, "computers", []kind{
			{pair{"노트북", "Laptop"}, "laptops", 590_000, 2_890_000, storages, []string{"디지털", "재택근무"}},
			{pair{"모니터", "Monitor"}, "monitors", 129_000, 990_000, inches, []string{"디지털", "재택근무"}},
			{pair{"키보드", "Keyboard"}, "keyboards", 19_000, 259_000, free, []string{"디지털", "주변기기"}},
			{pair{"마우스", "Mouse"}, "mice", 9_000, 159_000, free, []string{"디지털", "주변기기"}},
		}},
		{pair{"모바일", "Mobile"}, "mobile", []kind{
			{pair{"스마트폰", "Smartphone"}, "smartphones", 290_000, 1_990_000, storages, []string{"디지털", "신제품"}},
			{pair{"태블릿", "Tablet"}, "tablets", 250_000, 1_790_000, storages, []string{"디지털", "학생"}},
			{pair{"보조배터리", "Power Bank"}, "power-banks", 15_000, 89_000, free, []string{"디지털", "여행"}},
			{pair{"충전기", "Charger"}, "chargers", 9_000, 79_000, free, []string{"디지털", "액세서리"}},
		}},
		{pair{"음향·영상", "Audio & Video"}, "audio-video", []kind{
			{pair{"이어폰", "Earphones"}, "earphones", 19_000, 389_000, free, []string{"디지털", "음악"}},
			{pair{"헤드폰", "Headphones"}, "headphones", 39_000, 559_000, free, []string{"디지털", "음악"}},
			{pair{"스피커", "Speaker"}, "speakers", 29_000, 690_000, free, []string{"디지털", "음악"}},
			{pair{"스마트워치", "Smartwatch"}, "smartwatches", 59_000, 790_000, free, []string{"디지털", "운동"}},
		}},
	}},
	{pair{"가전", "Appliances"}, "appliances", appliance, []group{
		{pair{"생활가전", "Home Appliances"}, "home-appliances", []kind{
			{pair{"청소기", "Vacuum Cleaner"}, "vacuums", 89_000, 1_290_000, free, []string{"가전", "청소"}},
			{pair{"공기청정기", "Air Purifier"}, "air-purifiers", 99_000, 890_000, free, []string{"가전", "환절기"}},
			{pair{"선풍기", "Fan"}, "fans", 29_000, 259_000, free, []string{"가전", "여름"}},
			{pair{"드라이기", "Hair Dryer"}, "hair-dryers", 25_000, 559_000, free, []string{"가전", "뷰티"}},
		}},
		{pair{"주방가전", "Kitchen Appliances"}, "kitchen-appliances", []kind{
			{pair{"에어프라이어", "Air Fryer"}, "air-fryers", 59_000, 329_000, free, []string{"가전", "주방"}},
			{pair{"전기밥솥", "Rice Cooker"}, "rice-cookers", 79_000, 590_000, free, []string{"가전", "주방"}},
			{pair{"전기포트", "Electric Kettle"}, "kettles", 25_000, 159_000, free, []string{"가전", "주방"}},
			{pair{"블렌더", "Blender"}, "blenders", 29_000, 290_000, free, []string{"가전", "주방"}},
		}},
	}},
	{pair{"식품", "Food"}, "food", food, []group{
		{pair{"간식·음료", "Snacks & Drinks"}, "snacks-drinks", []kind{
			{pair{"원두 커피", "Coffee Beans"}, "coffee", 9_000, 59_000, grams, []string{"식품", "홈카페"}},
			{pair{"견과", "Mixed Nuts"}, "nuts", 9_000, 49_000, grams, []string{"식품", "건강"}},
			{pair{"초콜릿", "Chocolate"}, "chocolate", 3_000, 39_000, packs, []string{"식품", "선물"}},
			{pair{"과자", "Snack"}, "snacks", 1_500, 19_000, packs, []string{"식품", "간식"}},
		}},
		{pair{"신선·쌀", "Fresh & Rice"}, "fresh-rice", []kind{
			{pair{"쌀", "Rice"}, "rice", 12_000, 79_000, grams, []string{"식품", "생필품"}},
			{pair{"김치", "Kimchi"}, "kimchi", 9_000, 59_000, grams, []string{"식품", "반찬"}},
			{pair{"벌꿀", "Honey"}, "honey", 15_000, 89_000, grams, []string{"식품", "건강"}},
		}},
		{pair{"면·간편식", "Noodles & Ready Meals"}, "noodles-meals", []kind{
			{pair{"라면", "Ramen"}, "ramen", 3_500, 25_000, packs, []string{"식품", "간편식"}},
			{pair{"즉석국", "Instant Soup"}, "soups", 2_500, 29_000, packs, []string{"식품", "간편식"}},
		}},
	}},
	{pair{"스포츠·레저", "Sports & Leisure"}, "sports", sports, []group{
		{pair{"헬스·요가", "Fitness & Yoga"}, "fitness-yoga", []kind{
			{pair{"요가매트", "Yoga Mat"}, "yoga-mats", 15_000, 99_000, free, []string{"스포츠", "홈트"}},
			{pair{"덤벨", "Dumbbell"}, "dumbbells", 9_000, 159_000, []string{"3kg", "5kg", "10kg"}, []string{"스포츠", "홈트"}},
		}},
		{pair{"구기", "Ball Sports"}, "ball-sports", []kind{
			{pair{"축구공", "Soccer Ball"}, "soccer-balls", 19_000, 129_000, []string{"4호", "5호"}, []string{"스포츠", "축구"}},
			{pair{"농구공", "Basketball"}, "basketballs", 19_000, 119_000, []string{"6호", "7호"}, []string{"스포츠", "농구"}},
		}},
		{pair{"캠핑·등산", "Camping & Hiking"}, "camping-hiking", []kind{
			{pair{"캠핑 텐트", "Camping Tent"}, "tents", 79_000, 890_000, []string{"2인용", "4인용", "6인용"}, []string{"스포츠", "캠핑"}},
			{pair{"캠핑 의자", "Camping Chair"}, "camping-chairs", 19_000, 159_000, free, []string{"스포츠", "캠핑"}},
			{pair{"등산 스틱", "Hiking Poles"}, "hiking-poles", 19_000, 129_000, free, []string{"스포츠", "등산"}},
		}},
		{pair{"자전거", "Cycling"}, "cycling", []kind{
			{pair{"자전거 헬멧", "Bicycle Helmet"}, "helmets", 25_000, 259_000, bags, []string{"스포츠", "자전거"}},
		}},
	}},
	{pair{"생활·주방", "Living & Kitchen"}, "living", living, []group{
		{pair{"침구", "Bedding"}, "bedding", []kind{
			{pair{"이불", "Duvet"}, "duvets", 39_000, 259_000, beds, []string{"생활", "겨울"}},
			{pair{"베개", "Pillow"}, "pillows", 12_000, 129_000, free, []string{"생활", "숙면"}},
			{pair{"수건", "Towel"}, "towels", 5_000, 59_000, packs, []string{"생활", "생필품"}},
		}},
		{pair{"주방용품", "Kitchenware"}, "kitchenware", []kind{
			{pair{"프라이팬", "Frying Pan"}, "frying-pans", 15_000, 129_000, []string{"20cm", "24cm", "28cm"}, []string{"주방", "신혼"}},
			{pair{"냄비", "Pot"}, "pots", 19_000, 189_000, []string{"16cm", "20cm", "24cm"}, []string{"주방", "신혼"}},
			{pair{"머그컵", "Mug"}, "mugs", 5_000, 39_000, free, []string{"주방", "홈카페"}},
		}},
		{pair{"가구·조명", "Furniture & Lighting"}, "furniture-lighting", []kind{
			{pair{"의자", "Chair"}, "chairs", 39_000, 389_000, free, []string{"가구", "재택근무"}},
			{pair{"책상", "Desk"}, "desks", 69_000, 490_000, []string{"1000mm", "1200mm", "1400mm"}, []string{"가구", "재택근무"}},
			{pair{"스탠드 조명", "Desk Lamp"}, "lamps", 15_000, 189_000, free, []string{"가구", "인테리어"}},
		}},
	}},
}
